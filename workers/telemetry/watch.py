"""Which calls are under way and since when, so that one that does not come back is seen. Stops nothing itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf


class Watch:
    """Safe for threads. Costs microseconds a call."""

    def __init__(self, limit_s: float = inf, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[int, tuple[str, float]] = {}
        self._next_number = 0

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        with self._lock:
            number, self._next_number = self._next_number, self._next_number + 1
            self._calls[number] = (name, self._clock())
        try:
            yield
        finally:
            with self._lock:
                del self._calls[number]

    def overdue(self) -> str | None:
        """Name and age of the oldest call under way, if it is past the limit."""
        with self._lock:
            name, since_s = min(self._calls.values(), key=lambda call: call[1], default=("", inf))
        age_s = self._clock() - since_s
        return f"{name} has not come back for {age_s:.0f} s" if age_s > self._limit_s else None
