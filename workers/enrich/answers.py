"""Answers for windows: from the cache what is known, from another epoch what it is working on, from the model the rest.

The same window is never computed twice at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import accumulate
from threading import Lock
from typing import Any, Protocol

from schemas.base import StageName
from workers.batching.answers import AnswerBatch, BatcherStats, ModelFailed
from workers.cache.base import ResultCache
from workers.cache.keys import KeyMaker, window_itself
from workers.stages.codec import decode_result, encode_result
from workers.stages.results import WindowAnswer
from workers.telemetry.steps import StepTimes
from workers.text.pieces import Window

# Of one window: the names of its results, one per stage; where no result is kept, all that tells it from others.
Keys = tuple[Any, ...]
Answer = WindowAnswer | ModelFailed


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the answers that belongs to one document."""

    answers: list[Answer]
    cache_hits: int
    lookups_before: int = 0  # of windows whose answers were only a step on the way

    @property
    def lookups(self) -> int:
        return self.lookups_before + len(self.answers)

    def after(self, earlier: Share) -> Share:
        """These answers in place of `earlier` ones, which are counted and forgotten."""
        return Share(self.answers, self.cache_hits + earlier.cache_hits, earlier.lookups)


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer per window, whether it came from the cache, and where the time went."""

    answers: list[Answer]
    from_cache: list[bool]
    seconds: Mapping[str, float]

    def split(self, counts: Sequence[int]) -> list[Share]:
        """Consecutive shares of `counts` windows each."""
        ends = list(accumulate(counts))
        return [
            Share(self.answers[end - count : end], sum(self.from_cache[end - count : end]))
            for end, count in zip(ends, counts, strict=True)
        ]


@dataclass(slots=True)
class InFlight:
    """Windows that some thread is computing right now, by key. Whoever claims one must settle it."""

    _futures: dict[Keys, Future[Answer]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def claim(self, keys: Sequence[Keys]) -> tuple[list[Keys], dict[Keys, Future[Answer]]]:
        """Which of `keys` are the caller's to compute, and futures for those that somebody else has claimed."""
        mine, others = [], {}
        with self._lock:
            for key in keys:
                if key in self._futures:
                    others[key] = self._futures[key]
                else:
                    self._futures[key] = Future()
                    mine.append(key)
        return mine, others

    def settle(self, keys: Sequence[Keys], answers: Sequence[Answer] | BaseException) -> None:
        with self._lock:
            futures = [self._futures.pop(key) for key in keys]
        if isinstance(answers, BaseException):
            for future in futures:
                future.set_exception(answers)
        else:
            for future, answer in zip(futures, answers, strict=True):
                future.set_result(answer)


class Batches(Protocol):
    """A batcher, as far as it is needed here."""

    def answer(self, windows: Sequence[Window], *, made_ms: int | None = None) -> AnswerBatch: ...

    def require_answering(self) -> None: ...

    def stats(self) -> BatcherStats: ...


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers windows through one model. Safe to call from several threads."""

    batcher: Batches
    cache: ResultCache
    keys: KeyMaker
    stages: tuple[StageName, ...]
    in_flight: InFlight = field(default_factory=InFlight)

    def answer(self, windows: Sequence[Window], *, made_ms: int | None = None) -> Answered:
        """One answer per window, in order. Raises what the batcher raises, which is told of `made_ms`."""
        watch = StepTimes()
        with watch.step("cache_read"):
            keys = [*map(self.keys.of if self.cache.keeps else window_itself, windows)]
            by_key = dict(zip(keys, windows, strict=True))  # equal windows are asked about once
            known = self.lookup(list(by_key)) if self.cache.keeps else {}
        missing = [key for key in by_key if key not in known]
        mine, others = self.in_flight.claim(missing)
        computed: dict[Keys, Answer] = {}
        if mine:
            computed = self.compute(mine, by_key, watch, made_ms)
            with watch.step("cache_write"):
                self.remember(computed)
        with watch.step("shared_wait"):
            computed |= {key: future.result() for key, future in others.items()}
        return Answered(
            [known[key] if key in known else computed[key] for key in keys],
            [key in known for key in keys],
            watch.seconds(),
        )

    def lookup(self, keys: Sequence[Keys]) -> dict[Keys, Answer]:
        """What the cache knows whole. A window with one stage missing is computed again: one pass gives all."""
        values = self.cache.get_many([name for key in keys for name in key])
        known: dict[Keys, Answer] = {}
        for key in keys:
            results = {
                stage: decode_result(stage, values[name])
                for stage, name in zip(self.stages, key, strict=True)
                if name in values
            }
            whole = {stage: result for stage, result in results.items() if result is not None}
            if len(whole) == len(self.stages):
                known[key] = whole
        return known

    def compute(
        self, mine: Sequence[Keys], by_key: Mapping[Keys, Window], watch: StepTimes, made_ms: int | None
    ) -> dict[Keys, Answer]:
        try:
            batch = self.batcher.answer([by_key[key] for key in mine], made_ms=made_ms)
        except BaseException as error:
            self.in_flight.settle(mine, error)  # nobody may wait for ever
            raise
        self.in_flight.settle(mine, batch.answers)
        timing = batch.timing
        for step in ("queue", "prepare", "forward", "decode"):
            watch.add(step, getattr(timing, f"{step}_s"))
        return dict(zip(mine, batch.answers, strict=True))

    def remember(self, computed: Mapping[Keys, Answer]) -> None:
        if not self.cache.keeps:
            return
        self.cache.put_many(
            {
                name: encode_result(answer[stage])
                for key, answer in computed.items()
                if not isinstance(answer, ModelFailed)
                for stage, name in zip(self.stages, key, strict=True)
            }
        )
