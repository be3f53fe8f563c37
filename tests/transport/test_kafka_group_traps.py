"""The traps of kafka-python 3.0.12's group membership, and the rules that keep this transport out of them.

For each: what the client does as it comes (a canary: if it fails, a newer client has mended it and our rule may go),
and what the transport does, with its rule and without. See docs/decisions/0004.
"""

from __future__ import annotations

import time
import uuid

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.structs import ConsumerGroupMetadata

from tests.transport.harness import (
    LIMITS,
    PATIENCE_S,
    KafkaHarness,
    next_epoch,
    pass_all_through,
    publish,
    wait_until,
)
from tests.transport.plain import commit_without_membership, offset
from tests.transport.topics import kafka_settings_for
from workers.settings import KafkaSettings
from workers.transport import kafka as kafka_transport
from workers.transport.base import EpochLimits
from workers.transport.kafka import KafkaTransport

pytestmark = [pytest.mark.kafka, pytest.mark.apache]


# Trap 3: a membership reset by the heartbeat between poll and group_metadata() makes a commit that nobody fences.


def test_canary_3_a_commit_without_membership_is_not_fenced(
    kafka_settings: KafkaSettings, consumer: KafkaConsumer
) -> None:
    partition = TopicPartition(kafka_settings.input_topic, 0)
    commit_without_membership(kafka_settings, partition, 3)
    assert consumer.committed(partition) == 3, "trap 3 is mended: commits without a membership are refused"


class LosesItsMembership(KafkaTransport):
    """The heartbeat resets the membership just after a poll, once."""

    losses = 0

    def _membership(self, consumer: KafkaConsumer) -> ConsumerGroupMetadata:
        if self._backlog and not self._rewinding and self.losses == 0:
            self.losses += 1
            consumer._coordinator.reset_generation()
        return super()._membership(consumer)


def test_rule_3_what_was_read_without_a_membership_is_read_again_and_not_published(kafka_harness: KafkaHarness) -> None:
    kafka_harness.put(*[(b"key", b"%d" % number, ()) for number in range(20)])
    transport = LosesItsMembership(kafka_harness.settings, make_producer=kafka_harness.script.make)
    kafka_harness.started(transport)
    epoch = next_epoch(transport)
    assert transport.losses == 1
    assert epoch.records[0].offset == 0  # not where the first poll had ended
    assert epoch.claim.membership.member_id  # type: ignore[attr-defined]
    assert publish(kafka_harness, transport, epoch) is None


def test_rule_3_without_it_a_commit_goes_past_the_new_owner(
    kafka_harness: KafkaHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_transport, "is_settled_member", lambda membership: True)
    monkeypatch.setattr(KafkaTransport, "_still_the_same_member", lambda self, membership: True)
    monkeypatch.setattr("workers.transport.membership.is_member", lambda membership: True)
    kafka_harness.put(*[(b"key", b"%d" % number, ()) for number in range(5)])
    naive = kafka_harness.started(LosesItsMembership(kafka_harness.settings, make_producer=kafka_harness.script.make))
    lost = next_epoch(naive)
    owner = kafka_harness.member()
    pass_all_through(kafka_harness, [owner], count=5)
    assert publish(kafka_harness, naive, lost) is None  # nobody objects
    assert len(kafka_harness.came_out()) == 10


# Trap 4: a look at committed offsets that timed out answers the next one.


def leave_a_look_behind(consumer: KafkaConsumer, partition: TopicPartition) -> None:
    """One that times out at once, and whose answer comes a moment later."""
    with pytest.raises(Exception, match="KafkaTimeoutError"):
        consumer.committed(partition, timeout_ms=0)
    looks = consumer._coordinator._offset_fetch_futures
    wait_until(lambda: all(look.is_done for look in looks.values()) or None, "the answer")


def test_canary_4_a_look_at_committed_offsets_that_timed_out_answers_the_next(
    kafka_settings: KafkaSettings, consumer: KafkaConsumer
) -> None:
    partition = TopicPartition(kafka_settings.input_topic, 0)
    leave_a_look_behind(consumer, partition)
    consumer.commit({partition: offset(9)})
    assert consumer.committed(partition) is None, "kafka-python has mended trap 4: forget_offset_fetches may go"


@pytest.mark.parametrize("with_rule", [True, False])
def test_rule_4_a_rewind_goes_to_what_is_committed_now(
    kafka_harness: KafkaHarness, monkeypatch: pytest.MonkeyPatch, with_rule: bool
) -> None:
    if not with_rule:
        monkeypatch.setattr(kafka_transport, "forget_offset_fetches", lambda consumer: None)
    kafka_harness.put(*[(b"key", b"%d" % number, ()) for number in range(8)])
    transport = kafka_harness.member()
    assert isinstance(transport, KafkaTransport)
    first = next_epoch(transport)
    (source,) = (TopicPartition(partition.topic, partition.number) for partition in first.next_offsets)
    leave_a_look_behind(transport._connected(), source)
    assert publish(kafka_harness, transport, first) is None
    kafka_harness.put((b"key", b"last", ()))
    transport.rewind()
    assert next_epoch(transport).records[0].value == (b"last" if with_rule else b"0")


# Trap 5: a join that ends between two polls is thrown away and begun anew.


def settles(harness: KafkaHarness, *, polls: int) -> bool:
    """Whether a member of a group of its own gets work within so many polls that wait for nothing."""
    harness.settings = kafka_settings_for(harness.settings.bootstrap_servers, name=uuid.uuid4().hex[:12])
    harness.put((b"key", b"value", ()))
    transport = harness.member()
    for _ in range(polls):
        if transport.poll(LIMITS, timeout_s=0.0, accept=True) is not None:
            return True
        time.sleep(0.03)
    return False


def test_canary_5_members_that_never_wait_in_a_poll_do_not_all_join(
    kafka_harness: KafkaHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One may by chance: when the answers to its joining come within one poll."""
    monkeypatch.setattr(kafka_transport, "keep_join", lambda consumer: None)
    joined = (settles(kafka_harness, polls=60) for _ in range(10))
    assert not all(joined), "kafka-python has mended trap 5: keep_join may go"


def test_rule_5_members_that_never_wait_in_a_poll_join_all_the_same(kafka_harness: KafkaHarness) -> None:
    assert all(settles(kafka_harness, polls=int(PATIENCE_S / 0.03)) for _ in range(3))


# Trap 6: a membership lost while the client is rejoining already is not told to the listener, and positions stay.


def lose_membership_unheard(transport: KafkaTransport) -> None:
    coordinator = transport._connected()._coordinator
    coordinator.rejoining = True  # what it is after a join that failed
    coordinator.maybe_leave_group()


@pytest.mark.parametrize("with_rule", [True, False])
def test_rule_6_after_a_loss_that_nobody_told_it_starts_where_the_other_owner_ended(
    kafka_harness: KafkaHarness, monkeypatch: pytest.MonkeyPatch, with_rule: bool
) -> None:
    if not with_rule:  # and so the canary: with a mended client this one starts at 6 too, and the rule may go
        monkeypatch.setattr(KafkaTransport, "_still_the_same_member", lambda self, membership: True)
    kafka_harness.put(*[(b"key", b"%d" % number, ()) for number in range(8)])
    transport = kafka_harness.member()
    assert isinstance(transport, KafkaTransport)
    first = next_epoch(transport, EpochLimits(4, 1_000))
    assert publish(kafka_harness, transport, first) is None
    transport.poll(LIMITS, timeout_s=0.0, accept=False)
    lose_membership_unheard(transport)
    (source,) = (TopicPartition(partition.topic, partition.number) for partition in first.next_offsets)
    commit_without_membership(kafka_harness.settings, source, 6)
    assert next_epoch(transport).records[0].value == (b"6" if with_rule else b"4")


# Trap 7: a member that was thrown out goes on claiming its partitions, and the leader keeps them from everybody.


def claimed(consumer: KafkaConsumer) -> set[int]:
    """What the member would claim if it joined now."""
    (assignor,) = consumer._coordinator._assignors.values()
    owned = assignor.metadata(consumer.subscription()).owned_partitions
    return {number for topic in owned for number in topic.partitions}


@pytest.mark.parametrize("with_rule", [True, False])
def test_rule_7_a_member_that_was_thrown_out_claims_nothing(
    kafka_harness: KafkaHarness, monkeypatch: pytest.MonkeyPatch, with_rule: bool
) -> None:
    if not with_rule:  # and so the canary: a mended client claims nothing either, and HonestAssignor may go
        monkeypatch.setattr(kafka_transport, "HonestAssignor", lambda owned: CooperativeStickyAssignor())
    kafka_harness.put((b"key", b"value", ()))
    transport = kafka_harness.member()
    assert isinstance(transport, KafkaTransport)
    next_epoch(transport)
    consumer = transport._connected()
    assert claimed(consumer) == {0, 1, 2}
    consumer._coordinator.maybe_leave_group()
    assert claimed(consumer) == (set() if with_rule else {0, 1, 2})
    next_epoch(transport)
    assert claimed(consumer) == {0, 1, 2}
