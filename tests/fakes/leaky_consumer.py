"""What Faust is to the counter, without Faust: it reads a log, queues what it read, and may lose what is queued."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from workers.insights.chain import Chain, Partition


@dataclass(frozen=True, slots=True)
class Message:
    """The attributes of Faust's that are used."""

    topic: str
    partition: int
    offset: int
    value: bytes
    timestamp: float
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class Event:
    message: Message
    acked: bool = False

    def ack(self) -> None:
        self.acked = True


@dataclass(slots=True)
class LeakyConsumer:
    """Logs are lists by partition, None where an aborted record or the mark of a transaction is."""

    logs: dict[Partition, list[Message | None]]
    chain: Chain = field(default_factory=Chain)
    queue: deque[Event] = field(default_factory=deque)
    seeks: int = 0
    _at: dict[Partition, int] = field(default_factory=dict)

    def start(self, positions: dict[Partition, int]) -> None:
        """As after a recovery."""
        for partition in self.logs:
            self._go(partition, positions[partition])

    async def seek(self, partition: Partition, offset: int) -> None:
        """What is queued stays queued."""
        self.seeks += 1
        self._go(partition, offset)

    def read(self, count: int) -> None:
        """Up to `count` records of each partition."""
        for partition, log in self.logs.items():
            at = self._at[partition]
            found = [message for message in log[at:] if message is not None][:count]
            if found:
                self.chain.read(partition, [message.offset for message in found])
                self._at[partition] = found[-1].offset + 1
                self.queue.extend(map(Event, found))

    def lose(self, count: int) -> None:
        """The first `count` in the queue, as when it is emptied."""
        for _ in range(min(count, len(self.queue))):
            self.queue.popleft()

    def events(self, count: int) -> Iterator[Event]:
        for _ in range(min(count, len(self.queue))):
            yield self.queue.popleft()

    def _go(self, partition: Partition, offset: int) -> None:
        self.chain.sought(partition, offset)
        self._at[partition] = offset


class Changelog(dict[str, Any]):
    """A table that remembers what was written to it, in order."""

    def __init__(self, written: list[tuple[str, Any]] | None = None) -> None:
        super().__init__()
        self.written = list(written or ())
        for key, value in self.written:
            if value is None:
                self.pop(key, None)
            else:
                super().__setitem__(key, value)

    def __setitem__(self, key: str, value: Any) -> None:
        self.written.append((key, value))
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self.written.append((key, None))
        super().__delitem__(key)
