"""A run of epochs: progress, checkpoints, the best epoch on dev, when to stop, the curve. Knows no loss, no task."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from workers.errors import ConfigurationError
from workers.lifecycle.checkpoint import read_checkpoint, save_checkpoint
from workers.lifecycle.curve import CURVE_FILE, plot_curves

POINTS_PER_EPOCH = 40
BEST = "best."
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run is."""

    epoch: int
    step: int  # since the run began
    losses: Mapping[str, float]  # means since the epoch began


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the dev set found: the score that decides, and those that the curve shows. 0..1 each."""

    value: float
    scores: Mapping[str, float]


class Course(Protocol):
    """What is learned, epoch by epoch."""

    epoch: int  # epochs done

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        ...

    def run_epoch(self, report: Callable[[Step], None]) -> None:
        """One pass. Its order and noise depend on the seed and the number of the epoch alone."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """All that a step changes."""
        ...

    def restore(self, tensors: Mapping[str, Tensor], *, epoch: int) -> None:
        """Back to where `tensors` were taken, after `epoch` epochs."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """A copy of what the model would be now."""
        ...

    def finish(self, weights: Mapping[str, Tensor]) -> None:
        """The model gets these weights for good."""
        ...


@dataclass(slots=True)
class Journal:
    """What a run has seen so far, apart from its tensors. Kept in the checkpoint."""

    recipe: str
    epoch: int = 0
    best_epoch: int = 0
    best_score: float = -1.0
    losses: dict[str, list[Point]] = field(default_factory=dict)
    scores: dict[str, list[Point]] = field(default_factory=dict)


def school(
    course: Course,
    look: Callable[[], Look | None],
    *,
    wording: str,
    epochs: int,
    patience: int,
    folder: Path,
    save_every_s: float = 0.0,
) -> Journal:
    """Runs `epochs`, or stops when `patience` of them brought nothing on dev, and leaves the model as it was best;
    as it is last where `look` sees no dev set.

    Goes on from the checkpoint in `folder` if it was written under the same `wording`; the result is the same bits as
    without the interruption. `save_every_s`: seconds between checkpoints, which short epochs would else mostly write.
    """
    journal, best = _begin(course, wording, folder)
    saved_at = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("starting", total=epochs * course.per_epoch, completed=course.epoch * course.per_epoch)

        def report(step: Step) -> None:
            told = " ".join(f"{name} {loss:.3f}" for name, loss in step.losses.items())
            seen = f", dev {journal.best_score:.3f}" if journal.best_score >= 0 else ""
            bar.update(task, completed=step.step, description=f"epoch {step.epoch + 1}: {told}{seen}")
            if step.step % max(1, course.per_epoch // POINTS_PER_EPOCH) == 0:
                for name, loss in step.losses.items():
                    journal.losses.setdefault(name, []).append((step.step, loss))

        while course.epoch < epochs and journal.epoch - journal.best_epoch < patience:
            course.run_epoch(report)
            best = _judge(course, journal, look(), best)
            if time.monotonic() - saved_at >= save_every_s:
                _save(course, journal, best, folder)
                saved_at = time.monotonic()
    _save(course, journal, best, folder)
    course.finish(best)
    return journal


def _begin(course: Course, wording: str, folder: Path) -> tuple[Journal, dict[str, Tensor]]:
    """A new journal, or that of the checkpoint with the best weights so far."""
    stored = read_checkpoint(folder)
    if stored is None:
        return Journal(wording), {}
    tensors, state = stored
    if state.get("recipe") != wording:
        raise ConfigurationError(
            f"{folder} holds a checkpoint of another recipe or other texts: choose another --out or delete it"
        )
    journal = Journal(**state)  # type: ignore[arg-type]  # written by `asdict` of the same class
    course.restore({n: t for n, t in tensors.items() if not n.startswith(BEST)}, epoch=journal.epoch)
    return journal, {n.removeprefix(BEST): t for n, t in tensors.items() if n.startswith(BEST)}


def _judge(course: Course, journal: Journal, look: Look | None, best: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the best epoch so far; of equally good ones the later, which has learned at lower rates."""
    journal.epoch = course.epoch
    if look is not None:
        for name, score in look.scores.items():
            journal.scores.setdefault(name, []).append((float(course.epoch * course.per_epoch), score))
        if look.value < journal.best_score:
            return best
        journal.best_score = look.value
    journal.best_epoch = course.epoch
    return course.weights()


def _save(course: Course, journal: Journal, best: Mapping[str, Tensor], folder: Path) -> None:
    save_checkpoint(folder, course.tensors() | {BEST + name: t for name, t in best.items()}, asdict(journal))
    plot_curves(folder / CURVE_FILE, journal.losses, journal.scores)
