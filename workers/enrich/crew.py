"""Several processes that enrich epochs side by side, each with models of its own, for one worker's loop.

One process has one interpreter, whose lock its threads take in turns: cutting texts and putting records together keeps
a CPU core busy long before a GPU is. So the loop hands whole epochs, as they were read, to processes that give back
records as they will be published. It alone reads, publishes and commits.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import fields
from multiprocessing.connection import Connection
from threading import Lock, Thread

from schemas import Calibration
from workers.batching.answers import BatcherStats
from workers.cache.base import CacheStatus
from workers.enrich.crew_messages import Done, FromMember, Job, Leave, Told
from workers.enrich.enricher import EnricherState
from workers.enrich.outcome import Written
from workers.errors import DeviceLost, EnrichError
from workers.telemetry.steps import StepTimes
from workers.transport.base import IncomingRecord


class Mate:
    """The loop's end of the connection to one process. Safe for threads."""

    def __init__(self, connection: Connection, *, fate: Callable[[], str], clock: Callable[[], float]) -> None:
        """`fate` says what became of the process, once it is gone."""
        self._connection = connection
        self._fate = fate
        self._clock = clock
        self._lock = Lock()
        self._jobs: dict[int, Future[Done]] = {}
        self._numbers = itertools.count()
        self.told: Told | None = None
        self.heard_s = clock()
        self.lost: DeviceLost | None = None
        self._thread = Thread(target=self._listen, name="crew", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> int:
        """Jobs it has."""
        return len(self._jobs)

    def ask(self, records: Sequence[IncomingRecord] | None, calibrations: Sequence[Calibration] = ()) -> Future[Done]:
        """Raises DeviceLost if the process is gone; so does the future if it goes."""
        answer: Future[Done] = Future()
        with self._lock:
            if self.lost is not None:
                raise self.lost
            number = next(self._numbers)
            self._jobs[number] = answer
            with suppress(OSError):  # then whoever listens finds that too, and tells all who wait
                self._connection.send(Job(number, records, calibrations))
        return answer

    def leave(self) -> None:
        """Told to go, and to leave what it has."""
        with self._lock, suppress(OSError):
            self._connection.send(Leave())

    def _listen(self) -> None:
        try:
            while True:
                message: FromMember = self._connection.recv()
                self.heard_s = self._clock()
                if isinstance(message, Told):
                    self.told = message
                elif isinstance(message, Done):
                    self._jobs.pop(message.number).set_result(message)
                else:
                    self._jobs.pop(message.number).set_exception(message.error)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody listens from now on
            self._lose(None if isinstance(error, EOFError | OSError) else error)

    def _lose(self, error: Exception | None) -> None:
        """`error`: why its answers cannot be read, if it was not that it has ended."""
        why = self._fate() if error is None else f"{type(error).__name__} in what it says"
        lost = DeviceLost(f"an enriching process is gone: {why}")
        with self._lock:
            self.lost = lost
            left, self._jobs = list(self._jobs.values()), {}
        for answer in left:
            answer.set_exception(lost)


class Crew:
    """Implements Enricher. Others may join while it works. One process that is gone is the end of it: what it had is
    read again by whoever comes."""

    def __init__(
        self,
        mates: Sequence[Mate],
        *,
        calibrations: Callable[[], Sequence[Calibration]] = tuple,
        silence_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A process that says nothing for `silence_s` never will: they tell where they stand every half second."""
        self.mates = tuple(mates)
        self._problem: EnrichError | None = None
        self._calibrations = calibrations
        self._silence_s = silence_s
        self._clock = clock
        self._choosing = Lock()

    @property
    def processes(self) -> int:
        return len(self.mates)

    def add(self, mate: Mate) -> None:
        """One more, from now on."""
        with self._choosing:
            self.mates = (*self.mates, mate)

    def give_up(self, problem: EnrichError) -> None:
        """One that should have come never will: whoever asks is told."""
        with self._choosing:
            self._problem = problem

    def leave(self) -> None:
        """All are told to go."""
        for mate in self.mates:
            mate.leave()

    def enrich(self, records: Sequence[IncomingRecord], steps: StepTimes) -> list[Written]:
        """By the one that has least to do."""
        calibrations = self._calibrations()
        with self._choosing:
            for problem in (self._problem, *(mate.lost for mate in self.mates)):
                if problem is not None:
                    raise problem
            answer = min(self.mates, key=lambda mate: mate.busy).ask(records, calibrations)
        done = answer.result()
        steps.merge(done.seconds, done.intervals)
        return list(done.written)

    def rehearse(self) -> None:
        for answer in [mate.ask(None) for mate in self.mates]:
            answer.result()

    def overdue(self) -> str | None:
        for mate in self.mates:
            if mate.told is not None and mate.told.overdue is not None:
                return mate.told.overdue
            if (silent_s := self._clock() - mate.heard_s) > self._silence_s:
                return f"an enriching process has not been heard of for {silent_s:.0f} s"
        return None

    def state(self) -> EnricherState:
        """As of half a second ago."""
        states = [mate.told.state for mate in self.mates if mate.told is not None]
        lanes = dict.fromkeys(lane for state in states for lane in state.batchers)
        return EnricherState(
            tokens=sum(state.tokens for state in states),
            answered_tokens=sum(state.answered_tokens for state in states),
            batchers={lane: sum_of([s.batchers[lane] for s in states if lane in s.batchers]) for lane in lanes},
            cache=sum_of_caches([state.cache for state in states]),
        )

    def memory(self) -> Mapping[str, Mapping[str, int]]:
        """Of the devices: bytes by device and kind."""
        found: dict[str, dict[str, int]] = {}
        for mate in self.mates:
            for device, kinds in mate.told.memory.items() if mate.told is not None else ():
                own = found.setdefault(device, {})
                for kind, size in kinds.items():
                    own[kind] = own.get(kind, 0) + size
        return found


def sum_of(stats: Sequence[BatcherStats]) -> BatcherStats:
    """Of several batchers; the budget in force is that of the smallest."""
    names = [field.name for field in fields(BatcherStats)]
    sums = {name: sum(getattr(one, name) for one in stats) for name in names}
    return BatcherStats(**sums | {"max_padded_tokens": min(one.max_padded_tokens for one in stats)})


def sum_of_caches(caches: Sequence[CacheStatus]) -> CacheStatus:
    return CacheStatus(
        available=bool(caches) and all(cache.available for cache in caches),
        hits=sum(cache.hits for cache in caches),
        misses=sum(cache.misses for cache in caches),
        errors=sum(cache.errors for cache in caches),
        dropped=sum(cache.dropped for cache in caches),
    )
