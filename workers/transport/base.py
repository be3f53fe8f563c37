"""What a transport is to the worker: epochs in, an atomic publish each out. No client library's type crosses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NewType, Protocol, runtime_checkable

Headers = tuple[tuple[str, bytes | None], ...]
HEADER_ROOM_BYTES = 16_384  # of an output record, beside its value: for key and headers
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
    max_in_flight: int = 3  # epochs that may be under way at once
    later_records: int = 0  # that those after it may hold, where that is more

    @property
    def reach(self) -> int:
        """Records that may be under way at once."""
        return max(self.max_records, self.later_records) * self.max_in_flight


@dataclass(frozen=True, slots=True)
class Suspect:
    """A record that was under way in processes that went away. It is to be tried with nothing beside it."""

    deaths: int  # of such processes


@dataclass(frozen=True, slots=True)
class Epoch:
    """The unit of work: some records, in order per partition, and the offsets to commit with their answers."""

    number: int  # 0, 1, 2, ... in the order of reading
    records: tuple[IncomingRecord, ...]
    next_offsets: Mapping[Partition, int]
    claim: Claim
    suspect: Suspect | None = None  # then there is one record, and nothing else may be under way while it is
    size_bytes: int = field(init=False)  # of all values; counted once, as the worker asks at every turn

    def __post_init__(self) -> None:
        object.__setattr__(self, "size_bytes", sum(len(record.value or b"") for record in self.records))


def nothing_to_do() -> Future[None]:
    """A future that has ended well."""
    done: Future[None] = Future()
    done.set_result(None)
    return done


class Transport(Protocol):
    """Reads epochs and publishes their answers, each epoch exactly once.

    All methods are called from one thread, the worker's. `announce` and `publish` are called in the order of the
    epochs' numbers, and neither before its like for the epoch ahead has ended.
    """

    def start(self) -> None:
        """Connect and join. Raises DependencyError if the service cannot be reached in time, ConfigurationError if it
        answers that this cannot work (topic missing, not authorized)."""
        ...

    def poll(self, limits: EpochLimits, *, timeout_s: float, accept: bool) -> Epoch | None:
        """The next epoch, or None if there is none within `timeout_s`. With `accept` false it only keeps the membership
        alive and returns None. Raises DependencyError."""
        ...

    def announce(self, epoch: Epoch) -> Future[None]:
        """Before work on an epoch begins: let the group know whose it is, should this process go down with it. Nothing
        becomes visible. Mostly the group knows and the future has ended already; it ends as that of `publish` does."""
        ...

    def publish(self, epoch: Epoch, records: Sequence[OutgoingRecord]) -> Future[None]:
        """Make `records` and the epoch's offsets visible, all or nothing. The future ends with None once committed, or
        with PublishFailed; after that call `rewind`, and give up every epoch that is still in flight. It ends with
        ConfigurationError if it can never work: not authorized any more, or larger than the topic takes by now."""
        ...

    def rewind(self) -> None:
        """Go back to the committed offsets of what is still assigned: everything not committed is read again."""
        ...

    def exhausted(self) -> bool:
        """True once the source has an end and it was reached; a broker's topic never ends."""
        ...

    def farewell(self) -> Future[None]:
        """Let the group know that nothing is under way any more, before `close`. Without it the next owner takes it
        that this process went down. Ends as `publish` does."""
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
