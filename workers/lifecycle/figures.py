"""From a statistic to figures of the report: measures with intervals, names, rounds. Has no formula of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workers.lifecycle.bootstrap import Bootstrap, Statistic
from workers.lifecycle.report import Figure, Measure, Task

DECIMALS = 2  # of a point


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one column of a statistic is."""

    measure: Measure
    scope: str
    count: int
    type: str | None = None
    baseline: bool = False


@dataclass(frozen=True, slots=True)
class Meter:
    """Measures statistics over the items of one data set, all with the same draws."""

    items: int
    bootstrap: Bootstrap

    def figures(
        self, task: Task, statistic: Statistic, wanted: Sequence[Wanted], *, centred: bool = False
    ) -> list[Figure]:
        """One figure per column of the statistic."""
        measured = self.bootstrap.measure(self.items, statistic, centred=centred)
        return [
            Figure(
                task=task,
                measure=name.measure,
                scope=name.scope,
                type=name.type,
                value=round(100 * value, DECIMALS),
                low=round(100 * low, DECIMALS),
                high=round(100 * high, DECIMALS),
                count=name.count,
                baseline=name.baseline,
            )
            for name, value, low, high in zip(
                wanted, measured.values.tolist(), measured.low.tolist(), measured.high.tolist(), strict=True
            )
        ]
