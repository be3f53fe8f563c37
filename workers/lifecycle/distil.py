"""`enrich distil`: a teacher labels texts, a student learns from how sure it was. Read first: the steps, in order."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from schemas.base import StageName
from workers.errors import ConfigurationError
from workers.lifecycle.checkpoint import drop_checkpoint, read_checkpoint, require_free, save_checkpoint
from workers.lifecycle.data import read_lines
from workers.lifecycle.distil_card import write_distil_card
from workers.lifecycle.distil_labels import label_texts
from workers.lifecycle.distil_learning import Closeness, DistilCourse
from workers.lifecycle.distil_recipe import DistilSettings, read_distil_recipe
from workers.lifecycle.distil_student import first_student
from workers.lifecycle.distil_targets import SoftExample, map_tags, soft_example
from workers.lifecycle.distil_teacher import Teacher, open_teacher
from workers.lifecycle.gathering import gather
from workers.lifecycle.recipe import TrainSettings
from workers.models.config import ModelConfig, TrainingRecord
from workers.models.folder import LoadedModel, save_model
from workers.models.precision import use_threads
from workers.models.prepared import PreparedWindow, prepare_window
from workers.models.tokenizer import SubwordTokenizer
from workers.text.pieces import Window
from workers.text.sentences import split_sentences
from workers.text.windows import cut_windows


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text that the student reads in one window."""

    text: str
    window: PreparedWindow


def distil(config: Path, *, data: Path, out: Path) -> ModelConfig:
    """Labels, trains, measures and writes the student; goes on where an earlier run of the same recipe stopped.

    Raises ConfigurationError if `out` already holds a model, or for anything in the recipe that cannot work.
    """
    recipe = read_distil_recipe(config)
    require_free(out)
    use_threads(recipe.threads)
    started = time.monotonic()
    teacher = open_teacher(recipe.teacher)
    student = first_student(recipe, teacher)
    pieces = cut_corpus(student.tokenizer, recipe, data)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        examples = _labelled(student, teacher, pieces, recipe, out, bar)
        kept = max(1, round(len(examples) * recipe.heldout))
        course = _course(student, examples[kept:], recipe, data, teacher)
        before, after = _learn(course, examples[:kept], recipe, out, bar)
    record = TrainingRecord(
        seed=recipe.seed,
        epochs=recipe.epochs,
        windows={"corpus": len(examples) - kept, "held out": kept},
        seconds=round(time.monotonic() - started),
        torch=torch.__version__,
    )
    scores = _scores(before, "before") | _scores(after, "after")
    stored = save_model(out, student, student.config.model_copy(update={"training": record, "scores": scores}))
    write_distil_card(out, stored, recipe, teacher)
    drop_checkpoint(out)
    return stored


def cut_corpus(tokenizer: SubwordTokenizer, recipe: DistilSettings, data: Path) -> list[Piece]:
    """All texts in pieces that fit a window, in an order that the seed decides; the first ones are held out."""
    pieces: list[Piece] = []
    for name in recipe.corpus:
        for number, row in enumerate(read_lines(data / name), start=1):
            if recipe.limit is not None and number > recipe.limit:
                break
            text = row.get("text")
            if not isinstance(text, str):
                raise ConfigurationError(f"{data / name}: record {number} has no `text`: give JSON lines with one")
            sentences, tokens = split_sentences(text), tokenizer.cut([text])[0]
            windows = cut_windows(text, tokens, sentences, max_tokens=recipe.max_tokens, overlap_tokens=0)
            pieces += [_piece(window, tokenizer) for window in windows]
    if len(pieces) < 2:
        raise ConfigurationError(
            f"the corpus has {len(pieces)} pieces of text: two are the least, thousands are useful"
        )
    random.Random(recipe.seed).shuffle(pieces)  # noqa: S311
    return pieces


def _piece(window: Window, tokenizer: SubwordTokenizer) -> Piece:
    return Piece(window.text, prepare_window(window, start_id=tokenizer.start_id, end_id=tokenizer.end_id))


def _labelled(
    student: LoadedModel, teacher: Teacher, pieces: Sequence[Piece], recipe: DistilSettings, out: Path, bar: Progress
) -> list[SoftExample]:
    task = bar.add_task(f"{teacher.name} labels", total=len(pieces))
    texts = [piece.text for piece in pieces]
    soft = label_texts(
        teacher, texts, out, per_file=recipe.texts_per_file, report=lambda done: bar.update(task, completed=done)
    )
    tag_map = map_tags(teacher.tags, student.config.entity_types)
    return [
        soft_example(piece.window, said, tag_map, temperature=recipe.temperature)
        for piece, said in zip(pieces, soft, strict=True)
    ]


def _course(
    student: LoadedModel, examples: Sequence[SoftExample], recipe: DistilSettings, data: Path, teacher: Teacher
) -> DistilCourse:
    config = student.config
    hard = []
    if recipe.hard:
        with_relations = StageName.RELATIONS in config.stages
        settings = TrainSettings(
            name=recipe.name,
            sources=recipe.hard,
            dev=(),
            entity_types=config.entity_types,
            relation_types=config.relation_types if with_relations else (),
            max_tokens=recipe.max_tokens,
            seed=recipe.seed,
            limit=recipe.limit,
        )
        hard = gather(data, student.tokenizer, settings).labelled
    groups = torch.from_numpy(map_tags(teacher.tags, config.entity_types).groups)
    return DistilCourse(student, examples, hard, groups, recipe)


def _learn(
    course: DistilCourse, kept: Sequence[SoftExample], recipe: DistilSettings, out: Path, bar: Progress
) -> tuple[Closeness, Closeness]:
    """How close the student was on held-out texts before, and is now."""
    wording = recipe.model_dump_json(exclude={"threads"})
    stored = read_checkpoint(out)
    if stored is None:
        before = course.closeness(kept)
    else:
        tensors, state = stored
        if state.get("recipe") != wording:
            raise ConfigurationError(f"{out} holds a checkpoint of another recipe: choose another --out or delete it")
        before = Closeness(**json.loads(str(state["before"])))
        course.restore(tensors, epoch=int(str(state["epoch"])))
    task = bar.add_task("learning", total=course.steps, completed=course.epoch * course.per_epoch)

    def report(step: int, loss: float) -> None:
        bar.update(task, completed=step, description=f"epoch {course.epoch + 1}: loss {loss:.4f}")

    while course.epoch < recipe.epochs:
        course.run_epoch(report)
        told = {"tags": before.tags, "labels": before.labels, "divergence": before.divergence}
        save_checkpoint(out, course.tensors(), {"recipe": wording, "epoch": course.epoch, "before": json.dumps(told)})
    return before, course.closeness(kept)


def _scores(found: Closeness, when: str) -> dict[str, float]:
    """In percent, and nats; what was not compared is left out."""
    named = {
        f"held-out words whose tag is the teacher's, {when}": 100 * found.tags,
        f"held-out texts whose label is the teacher's, {when}": 100 * found.labels,
        f"held-out divergence from the teacher, nats, {when}": found.divergence,
    }
    return {name: round(value, 4) for name, value in named.items() if value == value}
