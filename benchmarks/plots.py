"""A report as a picture, with its small print under it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure  # without pyplot: no window system, no global state

from benchmarks.report import Report, Spread

Points = Sequence[tuple[float, float]]
Draw = Callable[[Axes, Report], None]
COLOUR = "#33658a"


def save_plot(path: Path, report: Report, draw: Draw) -> None:
    figure = Figure(figsize=(9, 4.8), layout="constrained")
    axes = figure.subplots()
    axes.set_title(report.question, loc="left", fontsize=11)
    draw(axes, report)
    figure.supxlabel(report.small_print(), x=0.01, ha="left", fontsize=6, color="#555555")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def bars(column: str) -> Draw:
    """One bar per row that has a figure in this column, from its lowest to its highest turn."""
    return partial(_draw_bars, column=column)


def _draw_bars(axes: Axes, report: Report, *, column: str) -> None:
    found = [(str(row[0]), cell) for row, cell in zip(report.rows, report.column(column), strict=True)]
    kept = [(name, cell) for name, cell in found if isinstance(cell, Spread | int | float)]
    spreads = [cell if isinstance(cell, Spread) else Spread.of([cell]) for _, cell in kept]
    middles = [spread.median for spread in spreads]
    errors = [
        [spread.median - spread.low for spread in spreads],
        [spread.high - spread.median for spread in spreads],
    ]
    axes.barh([name for name, _ in kept], middles, xerr=errors, color=COLOUR, ecolor="#222222", capsize=3)
    axes.invert_yaxis()
    axes.set_xlabel(column)


def lines(series: Mapping[str, Points], *, across: str, up: str, log: str = "") -> Draw:
    """Named lines of points. `log` holds the axes, x or y or both, that are logarithmic."""
    return partial(_draw_lines, series=series, across=across, up=up, log=log)


def _draw_lines(axes: Axes, report: Report, *, series: Mapping[str, Points], across: str, up: str, log: str) -> None:
    for name, points in series.items():
        axes.plot(*zip(*points, strict=True), "o-", markersize=4, label=name)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    if "x" in log:
        axes.set_xscale("log", base=2)
        ticks = sorted({x for points in series.values() for x, _ in points})
        axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
    if "y" in log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    if len(series) > 1:
        axes.legend()
