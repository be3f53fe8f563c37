"""A budget that threads take from and give back, first come first served."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Permits:
    """At most `total` are out at a time; who wants more than that has them all to itself."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._out = 0
        self._queue: deque[object] = deque()
        self._changed = Condition()

    @property
    def out(self) -> int:
        with self._changed:
            return self._out

    @property
    def waiting(self) -> int:
        """Threads that wait for theirs."""
        with self._changed:
            return len(self._queue)

    @contextmanager
    def take(self, count: int) -> Iterator[None]:
        """Blocks until there are so many, and until everybody who came before has theirs."""
        count = min(count, self._total)
        place = object()
        with self._changed:
            self._queue.append(place)
            self._changed.wait_for(lambda: self._queue[0] is place and self._out + count <= self._total)
            self._queue.popleft()
            self._out += count
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._out -= count
                self._changed.notify_all()
