"""Whether a record follows on the one before it, or something between the two was lost on its way to the counter.

Offsets alone do not tell: aborted records and the marks of transactions leave holes that are right. What the consumer
itself read next after a record does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

Partition = tuple[str, int]  # topic, number


class Chain:
    """Told by the consumer what it reads, asked by the counter. Safe for two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: dict[Partition, int] = {}  # where the consumer reads on
        self._jumps: dict[Partition, dict[int, int]] = {}  # offset of a record -> where the consumer stood before it

    def sought(self, partition: Partition, offset: int) -> None:
        """The consumer reads on from there."""
        with self._lock:
            self._next[partition] = offset
            self._jumps.pop(partition, None)

    def read(self, partition: Partition, offsets: Iterable[int]) -> None:
        """The consumer read these, rising, and nothing between them."""
        with self._lock:
            expected = self._next.get(partition, 0)
            for offset in offsets:
                if offset > expected:
                    self._jumps.setdefault(partition, {})[offset] = expected
                expected = offset + 1
            self._next[partition] = expected

    def ends(self) -> dict[Partition, int]:
        """Where the consumer reads on, by partition."""
        with self._lock:
            return dict(self._next)

    def follows(self, partition: Partition, offset: int, *, position: int) -> bool:
        """Whether nothing is missing between `position`, up to which all was counted, and this record."""
        if offset <= position:
            return True
        with self._lock:
            stood = self._jumps.get(partition, {}).pop(offset, None)
        return stood is not None and stood <= position
