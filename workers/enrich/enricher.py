"""Who enriches the epochs of the worker's loop: the pipeline of this process here; several processes in `crew.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from schemas import Calibration
from workers.batching.answers import BatcherStats
from workers.cache.base import CacheStatus
from workers.enrich.outcome import Written
from workers.enrich.outgoing import Outgoing
from workers.enrich.pipeline import Pipeline
from workers.telemetry.steps import StepTimes
from workers.transport.base import IncomingRecord


@dataclass(frozen=True, slots=True)
class EnricherState:
    """Of this moment, and counts since the start."""

    tokens: int  # that models are asked about
    answered_tokens: int  # of those; about, as what waits is counted with its padding
    batchers: Mapping[str, BatcherStats]  # by model, as the settings name it
    cache: CacheStatus


class Enricher(Protocol):
    """Enriches epochs, several at a time. Safe for threads."""

    @property
    def processes(self) -> int:
        """That work side by side by now: each is kept busy by as many epochs as one would be."""
        ...

    def enrich(self, records: Sequence[IncomingRecord], steps: StepTimes) -> list[Written]:
        """One output record per record, in order. Blocks; `steps` is told the time of each step. Raises DeviceLost or
        ModelDown if nobody answers, whatever the records are."""
        ...

    def rehearse(self) -> None:
        """Every model answers a text of our own. Raises DeviceLost if one does not: then no document is to blame."""
        ...

    def overdue(self) -> str | None:
        """What has not come back for so long that it never will, if there is such a thing."""
        ...

    def state(self) -> EnricherState:
        """Never waits."""
        ...


@dataclass(frozen=True, slots=True)
class LocalEnricher:
    """Implements Enricher, in this process."""

    pipeline: Pipeline
    outgoing: Outgoing
    processes: int = 1

    def enrich(self, records: Sequence[IncomingRecord], steps: StepTimes) -> list[Written]:
        outcomes = self.pipeline.enrich(records, steps)
        with self.pipeline.desk:
            return self.outgoing.write(outcomes)

    def under(self, calibrations: Sequence[Calibration]) -> LocalEnricher:
        """The same, under these."""
        return replace(self, pipeline=replace(self.pipeline, calibrations=lambda: calibrations))

    def rehearse(self) -> None:
        self.pipeline.rehearse()

    def overdue(self) -> str | None:
        return self.pipeline.watch.overdue()

    def state(self) -> EnricherState:
        batchers = {lane: answers.batcher.stats() for lane, answers in self.pipeline.answers.items()}
        tokens = self.pipeline.permits.out
        waiting = sum(stats.waiting_tokens for stats in batchers.values())
        cache = next(iter(self.pipeline.answers.values())).cache.status()
        return EnricherState(tokens, max(0, tokens - waiting), batchers, cache)
