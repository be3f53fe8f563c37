"""How far each partition was committed, as far as a member knows without asking the broker; and so how far it lags.

What is known counts for one tenure: whoever gets a partition back starts where somebody else may have gone on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workers.transport.base import IncomingRecord, Partition
from workers.transport.membership import Tenures


@dataclass(frozen=True, slots=True)
class Place:
    """What the client knows of an assigned partition; None: not yet."""

    position: int | None  # of the next record it will hand out
    end: int | None  # one behind the last record


class Marks:
    """The first offset of each partition that is not committed. Offsets that hold no record count as records, so
    where a topic is compacted or written in transactions the lag is a little too high."""

    def __init__(self, tenures: Tenures) -> None:
        self._tenures = tenures
        self._marks: dict[Partition, tuple[int, int]] = {}  # tenure, offset

    def read(self, records: Iterable[IncomingRecord]) -> None:
        """The first record of a tenure stands where the commits before it ended."""
        for record in records:
            if self._of(record.partition) is None:
                self._marks[record.partition] = (self._tenures.of(record.partition), record.offset)

    def committed(self, next_offsets: Mapping[Partition, int]) -> None:
        self._marks |= {partition: (self._tenures.of(partition), offset) for partition, offset in next_offsets.items()}

    def clear(self) -> None:
        self._marks.clear()

    def lag(self, places: Mapping[Partition, Place]) -> dict[Partition, int]:
        """Of the partitions whose end is known, and of which something was read or the position is known."""
        lags = {}
        for partition, place in places.items():
            mark = self._of(partition)
            mark = place.position if mark is None else mark
            if mark is not None and place.end is not None:
                lags[partition] = max(0, place.end - mark)
        return lags

    def _of(self, partition: Partition) -> int | None:
        tenure, offset = self._marks.get(partition, (-1, None))
        return offset if tenure == self._tenures.of(partition) else None
