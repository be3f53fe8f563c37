"""Leaves a service alone that fails, and tries it again once in a while. Pure but for a lock; the clock is given.

closed --failures in a row--> open --reset_s--> one trial --success--> closed
                                ^------------------failure---'
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class CircuitBreaker:
    """Ask `allows` before a call and report what became of it. Safe to use from several threads."""

    def __init__(self, *, max_failures: int, reset_s: float, clock: Callable[[], float]) -> None:
        self._max_failures = max_failures
        self._reset_s = reset_s
        self._clock = clock
        self._failures = 0
        self._retry_at_s: float | None = None  # None: closed
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        with self._lock:
            return self._retry_at_s is not None

    def allows(self) -> bool:
        """Whether to call. While open: once per `reset_s`, also when nobody reports how that trial ended."""
        with self._lock:
            if self._retry_at_s is None:
                return True
            if self._clock() < self._retry_at_s:
                return False
            self._retry_at_s = self._clock() + self._reset_s
            return True

    def succeeded(self) -> bool:
        """Whether this closed it."""
        with self._lock:
            was_open = self._retry_at_s is not None
            self._failures = 0
            self._retry_at_s = None
            return was_open

    def failed(self) -> bool:
        """Whether this opened it."""
        with self._lock:
            self._failures += 1
            if self._failures < self._max_failures:
                return False
            was_closed = self._retry_at_s is None
            self._retry_at_s = self._clock() + self._reset_s
            return was_closed
