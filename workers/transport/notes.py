"""Reads the notes beside the committed offsets of partitions that are new here; `deliveries.py` knows what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from workers.transport.base import Partition
from workers.transport.deliveries import Committed, Deliveries


class Notes:
    """For the worker's thread alone."""

    def __init__(
        self,
        deliveries: Deliveries,
        read_committed: Callable[[Sequence[Partition]], Mapping[Partition, Committed | None] | None],
        living_members: Callable[[], frozenset[str]],
    ) -> None:
        """`read_committed` gives None if it cannot be had in time; `living_members` asks the broker."""
        self._deliveries = deliveries
        self._read_committed = read_committed
        self._living_members = living_members
        self._own_ids: set[str] = set()  # also earlier ones: a member that was thrown out comes back under a new one

    def are_read(self, member_id: str) -> bool:
        """Reads those of partitions that are new here; False if that takes longer. Once in each tenure."""
        if not (unread := self._deliveries.unread()):
            return True
        self._own_ids.add(member_id)
        if (found := self._read_committed(unread)) is None:
            return False
        living: frozenset[str] | None = None

        def went_away(member_id: str) -> bool:
            nonlocal living
            if member_id in self._own_ids:
                return False
            if living is None:
                living = self._living_members()
            return member_id not in living

        self._deliveries.read(found, went_away)
        return True
