"""kafka-python's membership and rebalance listener, as the transport counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.structs import ConsumerGroupMetadata, MemberState

from workers.transport.base import Partition
from workers.transport.membership import GroupClaim, Tenures, is_member, usable_membership

KafkaClaim = GroupClaim[ConsumerGroupMetadata]


class ListeningTenures(ConsumerRebalanceListener, Tenures):  # type: ignore[misc]  # the client has no types
    """Counts what the client tells its listener.

    The client calls it inside `poll`, on a thread of its own, while the worker's thread waits for that poll.
    """

    def __init__(self, on_change: Callable[[Iterable[TopicPartition]], None]) -> None:
        super().__init__()
        self._on_change = on_change

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._changed(revoked)

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self._changed(lost)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._changed(assigned)

    def _changed(self, partitions: Iterable[TopicPartition]) -> None:
        changed = list(partitions)
        self.count(Partition(partition.topic, partition.partition) for partition in changed)
        self._on_change(changed)


def is_settled_member(membership: ConsumerGroupMetadata) -> bool:
    """Whether assignment and generation belong together. While a rebalance is under way the generation may be the next
    one already, although partitions it takes away are still counted as ours."""
    return is_member(membership) and membership.state == MemberState.STABLE


def usable_kafka_membership(
    claim: KafkaClaim, current: ConsumerGroupMetadata, tenures: Tenures
) -> tuple[ConsumerGroupMetadata | None, str]:
    return usable_membership(claim, current, tenures, settled=is_settled_member)
