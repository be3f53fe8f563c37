"""The course of a run as a picture: losses by step, dev scores by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from workers.errors import ConfigurationError

CURVE_FILE = "loss.png"
Points = Sequence[tuple[float, float]]


def require_plotting() -> None:
    """Before hours of work, not after them."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigurationError("the loss curve needs matplotlib: pip install 'enrich-workers[train]'") from error


def plot_curves(path: Path, losses: Mapping[str, Points], scores: Mapping[str, Points]) -> None:
    """Losses (left axis) and scores (right axis, 0..1) over steps, as a PNG."""
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    left = figure.subplots()
    left.set_xlabel("step")
    left.set_ylabel("loss")
    left.set_yscale("log")
    for name, points in losses.items():
        left.plot(*zip(*points, strict=True), label=name)
    right = left.twinx()
    right.set_ylabel("score on dev")
    right.set_ylim(0, 1)
    for name, points in scores.items():
        right.plot(*zip(*points, strict=True), "o--", label=name)
    handles = [*left.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    if handles:
        left.legend(handles=handles, loc="center right")
    figure.savefig(path, dpi=110)
