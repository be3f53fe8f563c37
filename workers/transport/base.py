"""What a transport is to the worker: epochs in, an atomic publish each out. No client library's type crosses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NewType, Protocol, runtime_checkable

Headers = tuple[tuple[str, bytes | None], ...]
Claim = NewType("Claim", object)  # the transport's own proof that it may commit the epoch; opaque to everybody else


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition of a topic."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class IncomingRecord:
    """One input record as the broker gave it. `value` None is a tombstone."""

    partition: Partition
    offset: int
    timestamp_ms: int | None  # ms since 1970 UTC
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """One output record. Its partition follows from its key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class EpochLimits:
    """What one epoch may hold; whichever is reached first."""

    max_records: int
    max_bytes: int  # of the records' values


@dataclass(frozen=True, slots=True)
class Epoch:
    """The unit of work: some records, in order per partition, and the offsets to commit with their answers."""

    number: int  # 0, 1, 2, ... in the order of reading
    records: tuple[IncomingRecord, ...]
    next_offsets: Mapping[Partition, int]
    claim: Claim

    @property
    def size_bytes(self) -> int:
        return sum(len(record.value or b"") for record in self.records)


class Transport(Protocol):
    """Reads epochs and publishes their answers, each epoch exactly once.

    All methods are called from one thread, the worker's. `publish` is called in the order of the epochs' numbers, and
    not before the publish ahead of it has ended.
    """

    def start(self) -> None:
        """Connect and join. Raises DependencyError if the service cannot be reached in time, ConfigurationError if it
        answers that this cannot work (topic missing, not authorized)."""
        ...

    def poll(self, limits: EpochLimits, *, timeout_s: float, accept: bool) -> Epoch | None:
        """The next epoch, or None if there is none within `timeout_s`. With `accept` false it only keeps the membership
        alive and returns None. Raises DependencyError."""
        ...

    def publish(self, epoch: Epoch, records: Sequence[OutgoingRecord]) -> Future[None]:
        """Make `records` and the epoch's offsets visible, all or nothing. The future ends with None once committed, or
        with PublishFailed; after that call `rewind`, and give up every epoch that is still in flight."""
        ...

    def rewind(self) -> None:
        """Go back to the committed offsets of what is still assigned: everything not committed is read again."""
        ...

    def exhausted(self) -> bool:
        """True once the source has an end and it was reached; a broker's topic never ends."""
        ...

    def close(self, *, timeout_s: float) -> None:
        """Leave the group and close. What was not committed stays unread for the next owner."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a member of a group stands."""

    problem: str | None  # why nothing can be read or published now; None if all is well
    partitions: int  # that are this member's
    lag: Mapping[Partition, int]  # records not committed, unread or under way; without partitions of unknown end


@runtime_checkable
class Observable(Protocol):
    """A transport that can tell where it stands."""

    def standing(self) -> Standing:
        """The worker's thread. May ask the broker once in a while, and then waits a second at most."""
        ...
