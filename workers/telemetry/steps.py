"""Where the time went, by step. Feeds receipts and metrics; never labelled by id or text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

Clock = Callable[[], float]  # seconds, monotonic
ANSWER = "answer"  # the phase in which models are asked about an epoch


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._started_s = clock()

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._started_s


@dataclass(frozen=True, slots=True)
class Interval:
    """A step that was timed as it ran. Seconds of the clock."""

    step: str
    started_s: float
    ended_s: float


class StepTimes:
    """Seconds per step, added up. One per epoch, used by one thread at a time."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._intervals: list[Interval] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times its body, also when it raises."""
        started_s = self._clock()
        try:
            yield
        finally:
            ended_s = self._clock()
            self._intervals.append(Interval(name, started_s, ended_s))
            self.add(name, ended_s - started_s)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """As an interval only: its seconds are told step by step."""
        started_s = self._clock()
        try:
            yield
        finally:
            self._intervals.append(Interval(name, started_s, self._clock()))

    def add(self, name: str, seconds: float) -> None:
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def merge(self, seconds: Mapping[str, float], intervals: Sequence[Interval]) -> None:
        """What another one timed, on the same clock."""
        for name, more_s in seconds.items():
            self.add(name, more_s)
        self._intervals.extend(intervals)

    def seconds(self) -> Mapping[str, float]:
        """A copy, in the order in which the steps came first."""
        return dict(self._seconds)

    def intervals(self) -> tuple[Interval, ...]:
        """What was timed as it ran, in the order of ending."""
        return tuple(self._intervals)
