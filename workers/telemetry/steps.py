"""Where the time went, by step. Feeds receipts and metrics; never labelled by id or text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Clock = Callable[[], float]  # seconds, monotonic


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._started_s = clock()

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._started_s


class StepTimes:
    """Seconds per step, added up. One per epoch, used by one thread."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times its body, also when it raises."""
        watch = Stopwatch(self._clock)
        try:
            yield
        finally:
            self.add(name, watch.elapsed_s)

    def add(self, name: str, seconds: float) -> None:
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def seconds(self) -> Mapping[str, float]:
        """A copy, in the order in which the steps came first."""
        return dict(self._seconds)
