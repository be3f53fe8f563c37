"""Which partitions are this member's, and since when: the tenure of each, and claims made under them.

A claim is taken with an epoch and is good only while every partition of the epoch stayed with this member throughout.
Whether the member is still in the group is for the broker to say, so a claim always carries a membership to be checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from workers.transport.base import Partition


class Membership(Protocol):
    """What a client hands out as proof of membership; there is more in it for the client itself."""

    @property
    def member_id(self) -> str: ...
    @property
    def generation_id(self) -> int: ...


MembershipT = TypeVar("MembershipT", bound=Membership)


@dataclass(frozen=True)  # no slots: GroupClaim[X](...) would then fail on Python 3.11
class GroupClaim(Generic[MembershipT]):
    """Proof that an epoch's offsets may be committed: who read it, when, and under which tenures."""

    reading: int  # counts rewinds: an epoch from before one is never published after it
    membership: MembershipT
    tenures: Mapping[Partition, int]


class Tenures:
    """Counts, per partition, how often it came or went. A client's rebalance callbacks call `count`, inside a poll."""

    def __init__(self) -> None:
        self._counts: Counter[Partition] = Counter()
        self._everything = 0

    def of(self, partition: Partition) -> int:
        return self._everything + self._counts[partition]

    def count(self, partitions: Iterable[Partition]) -> None:
        self._counts.update(partitions)

    def end_all(self) -> None:
        """The membership itself was lost: nothing held so far is held throughout."""
        self._everything += 1


def is_member(membership: Membership) -> bool:
    """False once a client's heartbeat reset the membership: the broker does not fence a commit under such a one."""
    return bool(membership.member_id) and membership.generation_id >= 0


def usable_membership(
    claim: GroupClaim[MembershipT], current: MembershipT, tenures: Tenures, *, settled: Callable[[MembershipT], bool]
) -> tuple[MembershipT | None, str]:
    """The membership to commit the claimed epoch under, or None and why not.

    The claim's own, unless the group moved on while all its partitions stayed: then the current one, if that is
    `settled`. A changed member id means that the membership was lost in between, also where the client did not tell so.
    """
    moved = [partition for partition, tenure in claim.tenures.items() if tenures.of(partition) != tenure]
    if moved:
        names = ", ".join(sorted(f"{partition.topic}/{partition.number}" for partition in moved))
        return None, f"partitions were taken away since the epoch was read: {names}"
    if not is_member(claim.membership):
        return None, "the epoch was read without a membership"
    if settled(current) and current.member_id == claim.membership.member_id:
        return current, ""
    return claim.membership, ""
