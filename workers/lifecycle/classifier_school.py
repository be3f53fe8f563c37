"""A classifier's run of epochs: progress, checkpoints, best epoch on dev, when to stop, the curve. Knows no loss."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from workers.errors import ConfigurationError
from workers.lifecycle.checkpoint import read_checkpoint, save_checkpoint
from workers.lifecycle.classifier_data import TextExample
from workers.lifecycle.classifier_learning import ClassifierCourse, Step
from workers.lifecycle.curve import CURVE_FILE, plot_curves

POINTS_PER_EPOCH = 40
BEST = "best."
Point = tuple[float, float]


@dataclass(slots=True)
class Journal:
    """What a run has seen so far, apart from its tensors. Kept in the checkpoint."""

    recipe: str
    epoch: int = 0
    best_epoch: int = 0
    best_accuracy: float = -1.0
    losses: list[Point] = field(default_factory=list)
    accuracies: list[Point] = field(default_factory=list)


def school(
    course: ClassifierCourse,
    dev: Sequence[TextExample],
    *,
    wording: str,
    epochs: int,
    patience: int,
    folder: Path,
    save_every_s: float,
) -> Journal:
    """Runs `epochs`, or stops when dev gets no better, and leaves the model with the best epoch's weights; with those
    of the last epoch where there is no dev set.

    Goes on from the checkpoint in `folder` if it was written under the same `wording`; the result is the same bits as
    without the interruption. `save_every_s`: seconds between checkpoints, which short epochs would else mostly write.
    """
    journal, best = _begin(course, wording, folder)
    saved_at = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("starting", total=epochs * course.per_epoch, completed=course.epoch * course.per_epoch)
        seen = f", dev {journal.best_accuracy:.3f}" if journal.accuracies else ""

        def report(step: Step) -> None:
            bar.update(task, completed=step.step, description=f"epoch {step.epoch + 1}: loss {step.loss:.3f}{seen}")
            if step.step % max(1, course.per_epoch // POINTS_PER_EPOCH) == 0:
                journal.losses.append((step.step, step.loss))

        while course.epoch < epochs and journal.epoch - journal.best_epoch < patience:
            course.run_epoch(report)
            best = _look(course, journal, dev, best)
            seen = f", dev {journal.accuracies[-1][1]:.3f}" if journal.accuracies else ""
            if time.monotonic() - saved_at >= save_every_s:
                save_checkpoint(folder, course.tensors() | {BEST + n: t for n, t in best.items()}, asdict(journal))
                saved_at = time.monotonic()
                _plot(folder, journal)
    save_checkpoint(folder, course.tensors() | {BEST + n: t for n, t in best.items()}, asdict(journal))
    _plot(folder, journal)
    course.finish(best)
    return journal


def _begin(course: ClassifierCourse, wording: str, folder: Path) -> tuple[Journal, dict[str, Tensor]]:
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


def _plot(folder: Path, journal: Journal) -> None:
    plot_curves(
        folder / CURVE_FILE,
        {"training": journal.losses} if journal.losses else {},
        {"accuracy": journal.accuracies} if journal.accuracies else {},
    )


def _look(
    course: ClassifierCourse, journal: Journal, dev: Sequence[TextExample], best: dict[str, Tensor]
) -> dict[str, Tensor]:
    """The weights of the best epoch so far; of equally good ones the later, whose weights are the smoother average."""
    journal.epoch = course.epoch
    if dev:
        predicted = course.logits(dev).argmax(dim=1).tolist()
        right = sum(label == example.label for label, example in zip(predicted, dev, strict=True)) / len(dev)
        journal.accuracies.append((float(course.epoch * course.per_epoch), right))
        if right < journal.best_accuracy:
            return best
        journal.best_accuracy = right
    journal.best_epoch = course.epoch
    return course.weights()
