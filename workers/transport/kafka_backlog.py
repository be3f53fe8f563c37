"""Records that were fetched and are not in an epoch yet, and how an epoch's share is cut from them.

A record is good only for the tenure it was fetched in: what a rebalance took away in between is dropped, and read again
by whoever has the partition now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kafka import TopicPartition

from workers.transport.base import EpochLimits, IncomingRecord, Partition
from workers.transport.kafka_membership import Tenures


@dataclass(frozen=True, slots=True)
class Held:
    record: IncomingRecord
    source: TopicPartition
    tenure: int


@dataclass(frozen=True, slots=True)
class Share:
    """What goes into one epoch."""

    records: tuple[IncomingRecord, ...]
    next_offsets: Mapping[Partition, int]
    tenures: Mapping[TopicPartition, int]


class Backlog:
    """In the order of fetching, which is the order of offsets within a partition."""

    def __init__(self, tenures: Tenures) -> None:
        self._tenures = tenures
        self._held: deque[Held] = deque()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, source: TopicPartition, records: Sequence[IncomingRecord]) -> None:
        tenure = self._tenures.of(source)
        self._held.extend(Held(record, source, tenure) for record in records)

    def clear(self) -> None:
        self._held.clear()

    def take(self, limits: EpochLimits) -> Share | None:
        """As much as the limits allow, at least one record; None if nothing is left that is still this member's."""
        records: list[IncomingRecord] = []
        next_offsets: dict[Partition, int] = {}
        tenures: dict[TopicPartition, int] = {}
        size_bytes = 0
        while self._held:
            held = self._held[0]
            if held.tenure == self._tenures.of(held.source):
                length = len(held.record.value or b"")
                if records and (len(records) >= limits.max_records or size_bytes + length > limits.max_bytes):
                    break
                size_bytes += length
                records.append(held.record)
                next_offsets[held.record.partition] = held.record.offset + 1
                tenures[held.source] = held.tenure
            self._held.popleft()
        return Share(tuple(records), next_offsets, tenures) if records else None
