"""Claims, tenures and the backlog by themselves: under which membership an epoch is published, and when it is not."""

from __future__ import annotations

import pytest
from kafka import TopicPartition
from kafka.structs import ConsumerGroupMetadata, MemberState

from workers.transport.backlog import Backlog
from workers.transport.base import EpochLimits, IncomingRecord, Partition
from workers.transport.kafka_membership import KafkaClaim, ListeningTenures, usable_kafka_membership
from workers.transport.membership import Tenures

P0, P1 = Partition("t", 0), Partition("t", 1)
STABLE, REBALANCING, UNJOINED = MemberState.STABLE, MemberState.REBALANCING, MemberState.UNJOINED


def membership(generation: int, member: str = "a", state: str = STABLE) -> ConsumerGroupMetadata:
    return ConsumerGroupMetadata("group", generation, member, None, state)


def claim(tenures: Tenures, taken_under: ConsumerGroupMetadata) -> KafkaClaim:
    return KafkaClaim(0, taken_under, {P0: tenures.of(P0)})


@pytest.mark.parametrize(
    ("current", "used_generation"),
    [
        (membership(4), 4),
        (membership(5), 5),  # the group moved on and the partition stayed
        (membership(5, state=REBALANCING), 4),  # the next generation shows already, its assignment does not
        (membership(-1, "", UNJOINED), 4),  # the membership is lost: the broker refuses the old one
        (membership(1, "b"), 4),  # lost and joined again without the listener having heard of it
    ],
)
def test_a_newer_generation_is_used_only_where_the_membership_went_on(
    current: ConsumerGroupMetadata, used_generation: int
) -> None:
    tenures = Tenures()
    used, _ = usable_kafka_membership(claim(tenures, membership(4)), current, tenures)
    assert used is not None
    assert (used.generation_id, used.member_id) == (used_generation, "a")


@pytest.mark.parametrize("event", ["on_partitions_revoked", "on_partitions_lost", "on_partitions_assigned"])
def test_any_coming_or_going_of_a_partition_ends_claims_on_it_and_on_no_other(event: str) -> None:
    tenures = ListeningTenures(lambda changed: None)
    taken = claim(tenures, membership(4))
    getattr(tenures, event)([TopicPartition(P1.topic, P1.number)])
    assert usable_kafka_membership(taken, membership(5), tenures)[0] is not None
    getattr(tenures, event)([TopicPartition(P0.topic, P0.number)])
    assert usable_kafka_membership(taken, membership(5), tenures)[0] is None


def test_the_end_of_a_membership_ends_every_claim() -> None:
    tenures = Tenures()
    taken = claim(tenures, membership(4))
    tenures.end_all()
    assert usable_kafka_membership(taken, membership(4), tenures)[0] is None


def test_a_claim_without_membership_is_never_good() -> None:
    tenures = Tenures()
    assert usable_kafka_membership(claim(tenures, membership(-1, "")), membership(5), tenures)[0] is None


def test_held_records_of_a_partition_that_went_and_came_back_are_dropped_and_others_stay() -> None:
    tenures = Tenures()
    backlog = Backlog(tenures)
    backlog.add([IncomingRecord(partition, 7, None, None, b"v") for partition in (P0, P1)])
    tenures.count([P0])  # it went
    tenures.count([P0])  # and came back
    share = backlog.take(EpochLimits(10, 100))
    assert share is not None
    assert dict(share.next_offsets) == {Partition("t", 1): 8}
    assert backlog.take(EpochLimits(10, 100)) is None
