"""What an evaluation found, as one schema: printed by `--json`, saved by `--out`, compared by `--gate`."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt, PositiveInt

from workers.settings import FrozenSettings

Task = Literal["entities", "relations", "labels", "summary"]
Measure = Literal[
    "precision", "recall", "f1", "accuracy", "macro_f1", "auroc", "calibration_error", "rouge1", "rouge2", "rougeLsum"
]
GATED: frozenset[Measure] = frozenset({"f1", "accuracy", "macro_f1", "auroc", "rouge1", "rouge2", "rougeLsum"})


class Figure(FrozenSettings):
    """One measured value with its 95 % interval, in points: 0 to 100."""

    task: Task
    measure: Measure
    scope: str  # what was measured: the types, whose entities, which system
    type: str | None = None  # one entity or relation type; None over all of the scope
    value: float
    low: float
    high: float
    count: NonNegativeInt  # how many entities, relations or texts it is about
    baseline: bool = False  # not the model's own doing

    @property
    def name(self) -> str:
        return " ".join((self.task, self.measure, self.scope, *([self.type] if self.type else [])))

    @property
    def gated(self) -> bool:
        """Whether a gate looks at it: more is better, and it is about the model as a whole."""
        return self.measure in GATED and self.type is None and not self.baseline


class SetReport(FrozenSettings):
    """One data set."""

    name: str
    sha256: str
    items: PositiveInt  # texts that were read
    seconds: float
    not_scored: tuple[str, ...] = ()  # names of the data set without counterpart in the model
    figures: tuple[Figure, ...]


class Speed(FrozenSettings):
    """All four stages of the model against one pass of its bare trunk, on the same batches, turn by turn."""

    tokens_per_s: float
    trunk_tokens_per_s: float
    ratio: float  # median over the turns
    low: float  # the worst turn
    high: float
    turns: PositiveInt
    threads: PositiveInt


class Report(FrozenSettings):
    """A run of `enrich evaluate`."""

    format: Literal[1] = 1
    model: str
    revision: str
    precision: str
    versions: dict[str, str]  # of this package and of what computes
    draws: PositiveInt  # of the bootstrap
    seed: int
    seconds: float
    sets: tuple[SetReport, ...]
    speed: Speed | None = None
