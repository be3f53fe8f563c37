"""A run of epochs: progress, checkpoints, the best epoch on dev, when to stop, and the curve. Knows no loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from workers.errors import ConfigurationError
from workers.lifecycle.checkpoint import read_checkpoint, save_checkpoint
from workers.lifecycle.curve import CURVE_FILE, plot_curves
from workers.lifecycle.devset import DevScore, dev_examples, read_logits, score
from workers.lifecycle.examples import Example
from workers.lifecycle.gathering import TrainingData
from workers.lifecycle.learning import Course
from workers.lifecycle.learning import Progress as Step
from workers.lifecycle.recipe import TrainSettings
from workers.models.folder import LoadedModel
from workers.models.precision import DTYPES, choose_precision

POINTS_PER_EPOCH = 40
BEST = "best."
Point = tuple[float, float]


@dataclass(slots=True)
class Journal:
    """What a run has seen so far, apart from its tensors. Kept in the checkpoint."""

    recipe: str
    epoch: int = 0
    best_epoch: int = 0
    best_score: float = -1.0
    entity_losses: list[Point] = field(default_factory=list)
    relation_losses: list[Point] = field(default_factory=list)
    dev_entities: list[Point] = field(default_factory=list)
    dev_relations: list[Point] = field(default_factory=list)


def school(model: LoadedModel, gathered: TrainingData, recipe: TrainSettings, *, out: Path) -> int:
    """Changes the model in place to its best epoch, and returns how many were run.

    Goes on from the checkpoint in `out` if there is one; the result is the same bits as without the interruption.
    """
    dtype = DTYPES[choose_precision(recipe.precision, torch.device("cpu"))]
    course = Course(model, gathered.examples, recipe, dtype)
    dev = dev_examples(model, gathered.kept, max_tokens=recipe.max_tokens)
    journal, best = _begin(course, recipe, out)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("starting", total=course.steps, completed=course.epoch * course.per_epoch)

        def report(step: Step) -> None:
            text = f"epoch {step.epoch + 1}: entities {step.entity_loss:.3f} relations {step.relation_loss:.3f}"
            bar.update(task, completed=step.step, description=text)
            if step.step % max(1, course.per_epoch // POINTS_PER_EPOCH) == 0:
                journal.entity_losses.append((step.step, step.entity_loss))
                journal.relation_losses.append((step.step, step.relation_loss))

        while course.epoch < recipe.epochs and journal.epoch - journal.best_epoch < recipe.patience:
            course.run_epoch(report)
            best = _look(model, course, journal, dev, best)
            tensors = course.tensors() | {BEST + name: tensor for name, tensor in best.items()}
            save_checkpoint(out, tensors, asdict(journal))
            _plot(out, journal)
    _put(model, best)
    return journal.epoch


def _begin(course: Course, recipe: TrainSettings, out: Path) -> tuple[Journal, dict[str, Tensor]]:
    """A new journal, or that of the checkpoint with the best weights so far."""
    wording = recipe.model_dump_json(exclude={"threads"})
    stored = read_checkpoint(out)
    if stored is None:
        return Journal(wording), {}
    tensors, state = stored
    if state.get("recipe") != wording:
        raise ConfigurationError(f"{out} holds a checkpoint of another recipe: choose another --out or delete it")
    journal = Journal(**state)  # type: ignore[arg-type]  # written by `asdict` of the same class and recipe
    course.restore({n: t for n, t in tensors.items() if not n.startswith(BEST)}, epoch=journal.epoch)
    return journal, {n.removeprefix(BEST): t for n, t in tensors.items() if n.startswith(BEST)}


def _look(
    model: LoadedModel, course: Course, journal: Journal, dev: Sequence[Example], best: dict[str, Tensor]
) -> dict[str, Tensor]:
    """The weights of the best epoch so far, by the score on dev; of the last one where there is no dev set."""
    journal.epoch = course.epoch
    found: DevScore | None = score(read_logits(model, dev)) if dev else None
    step = float(course.epoch * course.per_epoch)
    if found is not None:
        journal.dev_entities.append((step, found.entities.f1))
        journal.dev_relations.append((step, found.relations.f1))
        if found.value <= journal.best_score:
            return best
        journal.best_score = found.value
    journal.best_epoch = course.epoch
    return {name: tensor.detach().clone() for name, tensor in _weights(model).items()}


def _weights(model: LoadedModel) -> dict[str, Tensor]:
    parts = {"encoder": model.encoder, "heads": model.heads}
    return {f"{part}.{name}": tensor for part, module in parts.items() for name, tensor in module.state_dict().items()}


def _put(model: LoadedModel, weights: dict[str, Tensor]) -> None:
    for part, module in (("encoder.", model.encoder), ("heads.", model.heads)):
        module.load_state_dict({n.removeprefix(part): t for n, t in weights.items() if n.startswith(part)})


def _plot(out: Path, journal: Journal) -> None:
    losses = {"entities": journal.entity_losses, "relations": journal.relation_losses}
    scores = {"entity F1": journal.dev_entities, "pair F1": journal.dev_relations}
    plot_curves(
        out / CURVE_FILE,
        {name: points for name, points in losses.items() if points},
        {name: points for name, points in scores.items() if points},
    )
