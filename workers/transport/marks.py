"""How far each partition was committed, as far as a member knows, and where it ends; and so how far the member lags.

What is known of commits counts for one tenure: whoever gets a partition back starts where somebody else may have gone
on. Ends are asked for once in a while: fetches tell them too, but not of partitions that are paused, which those of a
slow worker are nearly always.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from workers.errors import DependencyError
from workers.transport.base import IncomingRecord, Partition
from workers.transport.membership import Tenures

log = logging.getLogger(__name__)

ENDS_S = 5.0  # between looks at the ends
ENDS_TIMEOUT_S = 1.0  # for one look, in which the worker's thread waits


class Marks:
    """Of each partition, the first offset that is not committed, and the end. Offsets that hold no record count as
    records, so where a topic is compacted or written in transactions the lag is a little too high."""

    def __init__(self, tenures: Tenures, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tenures = tenures
        self._clock = clock
        self._marks: dict[Partition, tuple[int, int]] = {}  # tenure, offset
        self._ends: Mapping[Partition, int] = {}
        self._next_look_s = 0.0

    def read(self, records: Iterable[IncomingRecord]) -> None:
        """The first record of a tenure stands where the commits before it ended."""
        for record in records:
            if self._of(record.partition) is None:
                self._marks[record.partition] = (self._tenures.of(record.partition), record.offset)

    def committed(self, next_offsets: Mapping[Partition, int]) -> None:
        self._marks |= {partition: (self._tenures.of(partition), offset) for partition, offset in next_offsets.items()}

    def clear(self) -> None:
        """Commits happened that nobody told of."""
        self._marks.clear()

    def lag(
        self, positions: Mapping[Partition, int | None], ask_ends: Callable[[], Mapping[Partition, int]]
    ) -> dict[Partition, int]:
        """Of the partitions whose end is known and of which something was read, or the position is known: the next
        offset that the client will hand out. `ask_ends` may raise DependencyError: then the ends are as they were."""
        now_s = self._clock()
        if positions and (now_s >= self._next_look_s or not positions.keys() <= self._ends.keys()):
            self._next_look_s = now_s + ENDS_S
            try:
                self._ends = ask_ends()
            except DependencyError as error:
                log.debug("the ends of the partitions are as they were: %s", error)
        lags = {}
        for partition, position in positions.items():
            mark = self._of(partition)
            mark = position if mark is None else mark
            if mark is not None and partition in self._ends:
                lags[partition] = max(0, self._ends[partition] - mark)
        return lags

    def _of(self, partition: Partition) -> int | None:
        tenure, offset = self._marks.get(partition, (-1, None))
        return offset if tenure == self._tenures.of(partition) else None
