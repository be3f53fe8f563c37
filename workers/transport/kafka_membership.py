"""Which partitions are this member's, and since when: the tenure of each, and claims made under them.

A claim is taken with an epoch and is good only while every partition of the epoch stayed with this member throughout.
Whether the member is still in the group is for the broker to say, so a claim always carries a membership to be checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.structs import ConsumerGroupMetadata, MemberState


@dataclass(frozen=True, slots=True)
class KafkaClaim:
    """Proof that an epoch's offsets may be committed: who read it, when, and under which tenures."""

    reading: int  # counts rewinds: an epoch from before one is never published after it
    membership: ConsumerGroupMetadata
    tenures: Mapping[TopicPartition, int]


class Tenures(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    """Counts, per partition, how often it came or went.

    The client calls it inside `poll`, on a thread of its own, while the worker's thread waits for that poll.
    """

    def __init__(self, on_change: Callable[[Iterable[TopicPartition]], None]) -> None:
        self._counts: Counter[TopicPartition] = Counter()
        self._everything = 0
        self._on_change = on_change

    def of(self, partition: TopicPartition) -> int:
        return self._everything + self._counts[partition]

    def end_all(self) -> None:
        """The membership itself was lost: nothing held so far is held throughout."""
        self._everything += 1

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._count(revoked)

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self._count(lost)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._count(assigned)

    def _count(self, partitions: Iterable[TopicPartition]) -> None:
        changed = list(partitions)
        self._counts.update(changed)
        self._on_change(changed)


def is_member(membership: ConsumerGroupMetadata) -> bool:
    """False after the heartbeat thread reset the membership: the broker does not fence such a commit (trap 3)."""
    return bool(membership.member_id) and membership.generation_id >= 0


def is_settled_member(membership: ConsumerGroupMetadata) -> bool:
    """Whether assignment and generation belong together. While a rebalance is under way the generation may be the next
    one already, although partitions it takes away are still counted as ours."""
    return is_member(membership) and membership.state == MemberState.STABLE


def usable_membership(
    claim: KafkaClaim, current: ConsumerGroupMetadata, tenures: Tenures
) -> tuple[ConsumerGroupMetadata | None, str]:
    """The membership to commit the claimed epoch under, or None and why not.

    The claim's own, unless the group moved on while all its partitions stayed: then the current one. A changed member
    id means that the membership was lost in between, also where the client did not tell the listener so.
    """
    moved = [partition for partition, tenure in claim.tenures.items() if tenures.of(partition) != tenure]
    if moved:
        names = ", ".join(f"{partition.topic}/{partition.partition}" for partition in sorted(moved))
        return None, f"partitions were taken away since the epoch was read: {names}"
    if not is_member(claim.membership):
        return None, "the epoch was read without a membership"
    if is_settled_member(current) and current.member_id == claim.membership.member_id:
        return current, ""
    return claim.membership, ""
