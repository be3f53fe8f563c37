"""What a crew's two ends tell each other over a connection of their own; pickled, and never read from anybody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas import Calibration
from workers.enrich.enricher import EnricherState
from workers.enrich.outcome import Written
from workers.errors import EnrichError
from workers.settings import Settings
from workers.telemetry.sources import ServedModel
from workers.telemetry.steps import Interval
from workers.transport.base import IncomingRecord


@dataclass(frozen=True, slots=True)
class Begin:
    """The first message to a process. `most` of them share the machine; or none do, if `only_on_a_gpu` and there is
    none after all."""

    settings: Settings
    worker: str  # whose records they are, in the header `enrich-run`
    most: int
    only_on_a_gpu: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """A process has loaded its models. So many `processes` are to share the machine."""

    served: tuple[ServedModel, ...]
    tokens_per_s: float | None  # as calibrated
    processes: int


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot begin."""

    error: EnrichError


@dataclass(frozen=True, slots=True)
class Job:
    """Records of an epoch, and the calibrations they are enriched under. Without records: a rehearsal."""

    number: int
    records: Sequence[IncomingRecord] | None
    calibrations: Sequence[Calibration] = ()


@dataclass(frozen=True, slots=True)
class Leave:
    """No more jobs come."""


@dataclass(frozen=True, slots=True)
class Done:
    """The job's records, and when its steps were; clocks of a machine's processes agree."""

    number: int
    written: Sequence[Written]
    seconds: Mapping[str, float]
    intervals: Sequence[Interval]


@dataclass(frozen=True, slots=True)
class Broken:
    """The job could not be done, whatever its records are."""

    number: int
    error: EnrichError


@dataclass(frozen=True, slots=True)
class Told:
    """Where the process stands; it tells so again and again, which is also how it is known to live."""

    state: EnricherState
    overdue: str | None
    memory: Mapping[str, Mapping[str, int]]  # bytes by device and kind


FromMember = Done | Broken | Told
ToMember = Job | Leave
