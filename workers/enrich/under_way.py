"""An epoch between being read and being visible, and what is made of a record that took processes down."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from schemas import FailedStep
from workers.enrich.outcome import Failed, Failure, Written
from workers.telemetry.steps import ANSWER, StepTimes
from workers.telemetry.traces import EpochTrace
from workers.transport.base import Epoch, IncomingRecord, Suspect

KILLER = "killed_worker"


@dataclass(slots=True)
class UnderWay:
    """Each step is a future: not begun, under way, ended."""

    epoch: Epoch
    steps: StepTimes  # the enricher's while it works on `outcomes`
    read_s: float  # when it was read, and
    sent_s: float = 0.0  # when it went to be published
    rehearsed: Future[None] | None = None  # of suspects: the models answered a text of our own
    announced: Future[None] | None = None
    outcomes: Future[list[Written]] | None = None
    published: Future[None] | None = None
    trace: EpochTrace | None = None

    @property
    def written(self) -> list[Written]:
        """What was made of it. Raises whatever left the pipeline."""
        assert self.outcomes is not None
        return self.outcomes.result()

    @property
    def answered(self) -> bool:
        """Whether models have nothing more to do for it."""
        return any(interval.step == ANSWER for interval in self.steps.intervals())

    @property
    def awaited(self) -> Future[Any] | None:
        """What this epoch waits for."""
        return self.published or self.outcomes or self.announced or self.rehearsed


def killer(record: IncomingRecord, suspect: Suspect) -> Failed:
    """The record is not even parsed: nobody knows which step of ours ends the process."""
    detail = f"{suspect.deaths} worker processes ended while it was under way, the last with nothing beside it"
    failure = Failure(FailedStep.WORKER, KILLER, detail, attempts=suspect.deaths, smallest_failing=1)
    return Failed(record, failure)


def ended_with(written: list[Written]) -> Future[list[Written]]:
    done: Future[list[Written]] = Future()
    done.set_result(written)
    return done
