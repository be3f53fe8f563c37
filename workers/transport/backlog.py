"""Records that were fetched and are not in an epoch yet, and how an epoch's share is cut from them.

A record is good only for the tenure it was fetched in: what a rebalance took away in between is dropped, and read again
by whoever has the partition now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from workers.transport.base import EpochLimits, IncomingRecord, Partition
from workers.transport.membership import Tenures


@dataclass(frozen=True, slots=True)
class Held:
    record: IncomingRecord
    tenure: int
    length: int  # bytes of the value


@dataclass(frozen=True, slots=True)
class Share:
    """What goes into one epoch."""

    records: tuple[IncomingRecord, ...]
    next_offsets: Mapping[Partition, int]
    tenures: Mapping[Partition, int]


class Backlog:
    """In the order of fetching, which is the order of offsets within a partition."""

    def __init__(self, tenures: Tenures) -> None:
        self._tenures = tenures
        self._held: deque[Held] = deque()
        self.size_bytes = 0  # of the values held

    def __len__(self) -> int:
        return len(self._held)

    def add(self, records: Iterable[IncomingRecord]) -> None:
        for record in records:
            held = Held(record, self._tenures.of(record.partition), len(record.value or b""))
            self._held.append(held)
            self.size_bytes += held.length

    def clear(self) -> None:
        self._held.clear()
        self.size_bytes = 0

    def take(self, limits: EpochLimits, alone: Callable[[IncomingRecord], bool] | None = None) -> Share | None:
        """As much as the limits allow, at least one record; None if nothing is left that is still this member's. A
        record that must be `alone` has no company."""
        records: list[IncomingRecord] = []
        next_offsets: dict[Partition, int] = {}
        tenures: dict[Partition, int] = {}
        size_bytes = 0
        while self._held:
            held = self._held[0]
            partition = held.record.partition
            if held.tenure == self._tenures.of(partition):
                if records and (len(records) >= limits.max_records or size_bytes + held.length > limits.max_bytes):
                    break
                if records and alone is not None and (alone(records[0]) or alone(held.record)):
                    break
                size_bytes += held.length
                records.append(held.record)
                next_offsets[partition] = held.record.offset + 1
                tenures[partition] = held.tenure
            self._held.popleft()
            self.size_bytes -= held.length
        return Share(tuple(records), next_offsets, tenures) if records else None
