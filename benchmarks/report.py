"""What a benchmark hands out: a table of figures, where they were measured, and the command that measures them again.

Written as JSON, as a Markdown table and as small print under a plot. Measures nothing. No host names and no paths.
"""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from workers.apart import apart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ResultT = TypeVar("ResultT")
SMALL_PRINT_COLUMNS = 150


class Frozen(BaseModel):
    """Base of what is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Spread(Frozen):
    """One figure over several turns."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        found = list(values)
        return cls(median=statistics.median(found), low=min(found), high=max(found))


Cell = Spread | int | float | str | None  # None: does not apply, or was not measured


class Report(Frozen):
    """The outcome of one benchmark. The first column names what was measured; the others name their units."""

    benchmark: str
    question: str
    command: str
    machine: dict[str, str]
    turns: int
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        lines = [self.columns, tuple("---" for _ in self.columns), *(tuple(map(shown, row)) for row in self.rows)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join([table, *self.notes])

    def small_print(self) -> str:
        """Machine, versions and command."""
        told = "; ".join(f"{name} {value}" for name, value in self.machine.items())
        turns = f" Median of {self.turns} turns, bars from lowest to highest." if self.turns > 1 else ""
        lines = (f"{told}.{turns}", self.command)
        return "\n".join(textwrap.fill(line, SMALL_PRINT_COLUMNS, break_on_hyphens=False) for line in lines)

    def column(self, name: str) -> list[Cell]:
        at = self.columns.index(name)
        return [row[at] for row in self.rows]


def shown(cell: Cell) -> str:
    """For people: three digits, thousands apart, and the range where there is one."""
    if cell is None:
        return "-"
    if isinstance(cell, Spread):
        middle, low, high = map(_rounded, (cell.median, cell.low, cell.high))
        return middle if low == high else f"{middle} ({low} to {high})"
    return _rounded(cell) if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else cell


def _rounded(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def in_turns(runs: Mapping[str, Callable[[], ResultT]], turns: int) -> dict[str, list[ResultT]]:
    """A B A B ...: what slows the machine down slows all of them. Each apart, so that none finds another's threads."""
    found: dict[str, list[ResultT]] = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            found[name].append(apart(run)())
    return found


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Of figures of the same turns."""
    return Spread.of(own / other for own, other in zip(ours, theirs, strict=True))


def publish(report: Report, folder: Path, draw: Callable[[Axes, Report], None]) -> None:
    """Print the table; write `NAME.json` and `NAME.png` into the folder."""
    from benchmarks.plots import save_plot  # matplotlib takes a second to import

    print(report.markdown(), flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{report.benchmark}.json").write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    save_plot(folder / f"{report.benchmark}.png", report, draw)
