"""Counts what a model said against what a data set says: by item and type, and by how sure the model was."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from workers.lifecycle.bootstrap import Statistic
from workers.lifecycle.figures import Meter, Wanted
from workers.lifecycle.measures import calibration_error, grouped_prf
from workers.lifecycle.report import Figure, Measure, Task

Said = tuple[Hashable, str]  # where or between what, and of which type
PRF: tuple[Measure, ...] = ("precision", "recall", "f1")


class Tally:
    """Strict: what is said is right only if it is wanted exactly so; repeats count once."""

    def __init__(self, items: int, types: Sequence[str]) -> None:
        self.types = tuple(types)
        self._numbers = {name: number for number, name in enumerate(self.types)}
        self._counts = np.zeros((items, len(self.types), 3))  # right, predicted, wanted
        self._owners: list[int] = []
        self._scores: list[float] = []
        self._right: list[bool] = []

    def count(self, item: int, said: Iterable[Said], wanted: Iterable[Said]) -> None:
        """Types other than the tally's are left out on both sides."""
        ours, theirs = set(said), set(wanted)
        for column, rows in enumerate((ours & theirs, ours, theirs)):
            for _, name in rows:
                if name in self._numbers:
                    self._counts[item, self._numbers[name], column] += 1

    def judge(self, item: int, score: float, *, right: bool) -> None:
        """One answer and how sure the model was of it."""
        self._owners.append(item)
        self._scores.append(score)
        self._right.append(right)

    def wanted(self, types: Iterable[str] | None = None) -> int:
        chosen = [self._numbers[name] for name in (self.types if types is None else types)]
        return int(self._counts[:, chosen, 2].sum())

    def scores(
        self, meter: Meter, task: Task, groups: dict[str, Sequence[str]], *, by_type: str | None
    ) -> list[Figure]:
        """Precision, recall and F1 of each group of types; then of each type alone, under the scope `by_type`."""
        alone = [(by_type, name, (name,)) for name in self.types] if by_type is not None else []
        rows = [*((scope, None, tuple(types)) for scope, types in groups.items()), *alone]
        together = np.array([[name in types for name in self.types] for _, _, types in rows], dtype=np.float64)
        wanted = [
            Wanted(measure, scope, self.wanted(types), type=name) for scope, name, types in rows for measure in PRF
        ]
        return meter.figures(task, grouped_prf(self._counts, together), wanted)

    def calibration(self, meter: Meter, task: Task, scope: str) -> list[Figure]:
        """The expected calibration error of the judged answers; nothing if there are none."""
        if not self._owners:
            return []
        statistic: Statistic = calibration_error(
            len(self._counts), np.array(self._owners), np.array(self._scores), np.array(self._right)
        )
        return meter.figures(task, statistic, [Wanted("calibration_error", scope, len(self._owners))], centred=True)
