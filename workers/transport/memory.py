"""A log in this process with the promises of a broker, and faults that can be scripted to an exact record.

Used by tests and benchmarks in place of Kafka. Everything is synchronous and deterministic; nothing is written to disk.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

from workers.errors import DependencyError, PublishFailed
from workers.transport.base import (
    Claim,
    Epoch,
    EpochLimits,
    Headers,
    IncomingRecord,
    OutgoingRecord,
    Partition,
    Standing,
)


class Crash(BaseException):
    """The process ends here. Not an Exception, so that nothing on the way handles it."""


class Fault(Enum):
    """What goes wrong, once, when the epoch with the given input record is published."""

    CRASH_BEFORE_COMMIT = "crash before commit"
    CRASH_AFTER_COMMIT = "crash after commit"
    REFUSED = "refused"  # not committed, and said so
    ANSWER_LOST = "answer lost"  # committed, and nobody can tell
    REVOKED = "revoked"  # the partition goes away and comes back just before


@dataclass(slots=True)
class MemoryLog:
    """Topics, committed offsets of one group, and its members. Outlives transports, as a broker outlives workers."""

    partitions: int = 3
    topics: dict[Partition, list[IncomingRecord]] = field(default_factory=lambda: defaultdict(list))
    committed: dict[Partition, int] = field(default_factory=dict)
    faults: dict[tuple[Partition, int], Fault] = field(default_factory=dict)  # by input record; each happens once
    members: list[MemoryTransport] = field(default_factory=list)
    appended: int = 0

    def append(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> IncomingRecord:
        number = (self.appended if key is None else zlib.crc32(key)) % self.partitions
        partition = Partition(topic, number)
        record = IncomingRecord(partition, len(self.topics[partition]), self.appended, key, value, headers)
        self.appended += 1
        self.topics[partition].append(record)
        return record

    def read(self, *topics: str) -> list[IncomingRecord]:
        """Everything in these topics, in the order in which it was appended."""
        records = [record for partition, log in self.topics.items() if partition.topic in topics for record in log]
        return sorted(records, key=lambda record: record.timestamp_ms or 0)

    def rebalance(self, topic: str) -> None:
        for number in range(self.partitions):
            owner = self.members[number % len(self.members)] if self.members else None
            for member in list(self.members):
                member.own(Partition(topic, number), owned=member is owner)


@dataclass(frozen=True, slots=True)
class MemoryClaim:
    reading: int
    tenures: Mapping[Partition, int]


class MemoryTransport:
    """Implements Transport on a MemoryLog. Several of them on one log share its partitions."""

    def __init__(self, log: MemoryLog, *, input_topic: str = "documents") -> None:
        self._log = log
        self._topic = input_topic
        self._positions: dict[Partition, int] = {}  # of what is owned
        self._tenures: dict[Partition, int] = defaultdict(int)
        self._reading = 0
        self._epochs = 0
        self._failed = False

    def start(self) -> None:
        self._log.members.append(self)
        self._log.rebalance(self._topic)

    def own(self, partition: Partition, *, owned: bool) -> None:
        """Give or take a partition; taking one away ends every claim on it."""
        if owned == (partition in self._positions):
            return
        self._tenures[partition] += 1
        if owned:
            self._positions[partition] = self._log.committed.get(partition, 0)
        else:
            del self._positions[partition]

    def poll(self, limits: EpochLimits, *, timeout_s: float, accept: bool) -> Epoch | None:
        if self not in self._log.members:
            raise DependencyError("not started")
        records = self._take(limits) if accept else []
        if not records:
            return None
        next_offsets = {record.partition: record.offset + 1 for record in records}
        self._positions.update(next_offsets)
        tenures = {partition: self._tenures[partition] for partition in next_offsets}
        self._epochs += 1
        return Epoch(self._epochs - 1, tuple(records), next_offsets, Claim(MemoryClaim(self._reading, tenures)))

    def publish(self, epoch: Epoch, records: Sequence[OutgoingRecord]) -> Future[None]:
        done: Future[None] = Future()
        fault = self._fault_of(epoch)
        if fault is Fault.CRASH_BEFORE_COMMIT:
            raise Crash
        if fault is Fault.REVOKED:
            for partition in epoch.next_offsets:
                self.own(partition, owned=False)
                self.own(partition, owned=True)
        claim = cast(MemoryClaim, epoch.claim)
        moved = any(self._tenures[partition] != tenure for partition, tenure in claim.tenures.items())
        if self._failed or claim.reading != self._reading or moved or fault is Fault.REFUSED:
            self._failed = True
            done.set_exception(PublishFailed("refused"))
            return done
        for record in records:
            self._log.append(record.topic, record.key, record.value, record.headers)
        self._log.committed.update(epoch.next_offsets)
        if fault is Fault.CRASH_AFTER_COMMIT:
            raise Crash
        if fault is Fault.ANSWER_LOST:
            self._failed = True
            done.set_exception(PublishFailed("nobody can tell"))
        else:
            done.set_result(None)
        return done

    def rewind(self) -> None:
        self._reading += 1
        self._failed = False
        for partition in self._positions:
            self._positions[partition] = self._log.committed.get(partition, 0)

    def exhausted(self) -> bool:
        """Unlike a broker's topic, the log has an end for now; so a worker on it comes back."""
        return all(position >= len(self._log.topics[partition]) for partition, position in self._positions.items())

    def standing(self) -> Standing:
        log, committed = self._log.topics, self._log.committed
        lag = {partition: len(log[partition]) - committed.get(partition, 0) for partition in self._positions}
        joined = self in self._log.members
        return Standing(None if joined else "not a member of the group", len(self._positions), lag)

    def close(self, *, timeout_s: float) -> None:
        if self in self._log.members:
            for partition in list(self._positions):
                self.own(partition, owned=False)
            self._log.members.remove(self)
            self._log.rebalance(self._topic)

    def _take(self, limits: EpochLimits) -> list[IncomingRecord]:
        records: list[IncomingRecord] = []
        size_bytes = 0
        for partition, position in self._positions.items():
            for record in self._log.topics[partition][position:]:
                length = len(record.value or b"")
                if records and (len(records) >= limits.max_records or size_bytes + length > limits.max_bytes):
                    return records
                records.append(record)
                size_bytes += length
        return records

    def _fault_of(self, epoch: Epoch) -> Fault | None:
        for record in epoch.records:
            fault = self._log.faults.pop((record.partition, record.offset), None)
            if fault is not None:
                return fault
        return None
