"""`enrich train` with `task: classification`. Read first: the steps of a run, in order, by name."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from schemas.base import StageName
from workers.lifecycle.card import CARD_FILE
from workers.lifecycle.checkpoint import drop_checkpoint, require_free
from workers.lifecycle.classifier_calibration import Calibration, Floats, Ints, calibrate, scores_in_percent
from workers.lifecycle.classifier_card import write_classifier_card
from workers.lifecycle.classifier_data import (
    Lessons,
    TextExample,
    examples_of,
    gather_lessons,
    label_topics,
)
from workers.lifecycle.classifier_learning import ClassifierCourse
from workers.lifecycle.classifier_recipe import ClassifierRecipe, read_classifier_recipe
from workers.lifecycle.curve import require_plotting
from workers.lifecycle.data import Topic
from workers.lifecycle.schooling import Journal, Look, school
from workers.lifecycle.score import accuracy
from workers.lifecycle.topics import cosines_of
from workers.models.config import (
    CONFIG_FILE,
    HEADS_FILE,
    ClassifierShape,
    EncoderShape,
    ModelConfig,
    TrainingRecord,
    write_config,
)
from workers.models.folder import LoadedModel, blank_model, open_model, save_model
from workers.models.precision import DTYPES, choose_precision, use_threads
from workers.models.shared import SharedEncoderModel
from workers.models.store import TOKENIZER_SHA256, TRUNK_SHA256, find_trunk
from workers.settings import ModelSettings

UNFINISHED = "unfinished"  # folder in --out of a model that is not measured yet
SEARCH = "search"  # folder in --out of the run that chooses epochs, temperature and threshold, where one is needed


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run reads and writes."""

    data: Path
    out: Path
    trunk: Path | None  # folder of the trunk's files; found by digest if None
    save_every_s: float  # seconds between checkpoints


@dataclass(frozen=True, slots=True)
class Run:
    """One schooling: how long it went, and what the model says about dev and about texts of no label."""

    model: LoadedModel
    journal: Journal
    logits: Floats  # [N, L]
    labels: Ints  # [N] the right ones
    others: Floats  # [M, L]


def train_classifier(
    config: Path, *, data: Path, out: Path, trunk: Path | None = None, save_every_s: float = 60.0
) -> None:
    """Trains, calibrates, measures and writes a model; goes on where an earlier run of the same recipe stopped.

    `trunk` is the folder of the trunk's files, found by digest if not given. Raises ConfigurationError if `out` already
    holds a model.
    """
    recipe, place = read_classifier_recipe(config), Place(data, out, trunk, save_every_s)
    require_free(out)
    require_plotting()
    use_threads(recipe.threads)
    started = time.monotonic()
    lessons = gather_lessons(data, recipe)
    again = recipe.refit and lessons.split
    run = _run(recipe, lessons, epochs=recipe.epochs, place=place, folder=out / SEARCH if again else out)
    chosen = calibrate(run.logits, run.labels, run.others, keep=recipe.keep)
    model, journal = run.model, run.journal
    if again:
        model = _run(recipe, lessons.everything(), epochs=journal.best_epoch, place=place, folder=out).model
    record = TrainingRecord(
        seed=recipe.seed,
        epochs=journal.epoch,
        windows=lessons.counts,
        seconds=round(time.monotonic() - started),
        torch=torch.__version__,
    )
    building = out / UNFINISHED
    stored = _store(model, recipe, chosen, record, building)
    scores = {"dev": scores_in_percent(run.logits, run.labels, run.others, chosen)}
    scores |= _test_scores(recipe, lessons, chosen, building, trunk)
    flat = {f"{name} {measure}": value for name, group in scores.items() for measure, value in group.items()}
    stored = stored.model_copy(update={"scores": flat})
    write_config(building, stored)
    write_classifier_card(building, stored, recipe, lessons, chosen, best_epoch=journal.best_epoch)
    for name in (HEADS_FILE, CARD_FILE, CONFIG_FILE):  # a folder with the last of them is a whole model
        (building / name).replace(out / name)
    building.rmdir()
    for folder in (out, out / SEARCH):
        drop_checkpoint(folder)


def first_model(recipe: ClassifierRecipe, labels: Sequence[str], trunk: Path | None) -> LoadedModel:
    """The model to start from, with an untrained head for `labels`; it keeps its other heads if they stay right."""
    torch.manual_seed(recipe.seed)
    shape = ClassifierShape(labels=tuple(labels), descriptions=recipe.descriptions)
    start = None if recipe.start is None else open_model(ModelSettings(name=recipe.start, trunk=trunk))
    if start is None:
        config = ModelConfig(
            name=recipe.name, trunk_sha256=TRUNK_SHA256, tokenizer_sha256=TOKENIZER_SHA256, heads_sha256=""
        )
    else:
        config = start.config
    kept = config.encoder.trained if start is not None else ()
    trained = tuple(dict.fromkeys((*kept, *recipe.tuned_parts())))
    changes: dict[str, object] = {
        "name": recipe.name,
        "languages": recipe.languages,
        "classifier": shape,
        "encoder": EncoderShape(**config.encoder.model_dump(exclude={"trained"}), trained=trained),
        "heads_sha256": "",
        "scores": {},
        "variant_of": None,  # what is trained further is a model of its own
        "precision": None,
    }
    if not recipe.keeps_heads:
        changes |= {"stages": (StageName.CLASSIFICATION,), "entity_types": (), "relation_types": ()}
    files = find_trunk(trunk, weights_sha256=config.trunk_sha256, tokenizer_sha256=config.tokenizer_sha256)
    model = blank_model(config.model_copy(update=changes), files)
    if start is not None:
        model.encoder.load_state_dict(start.encoder.state_dict())
    if start is not None and recipe.keeps_heads:
        own = {name: t for name, t in start.heads.state_dict().items() if not name.startswith("classifier.")}
        model.heads.load_state_dict(own, strict=False)
    return model


def _run(
    recipe: ClassifierRecipe,
    lessons: Lessons,
    *,
    epochs: int,
    place: Place,
    folder: Path,
) -> Run:
    model = first_model(recipe, lessons.labels, place.trunk)
    dtype = DTYPES[choose_precision(recipe.precision, torch.device("cpu"))]

    def prepared(topics: Sequence[Topic]) -> list[TextExample]:
        return examples_of(model.tokenizer, topics, lessons.labels, max_tokens=recipe.max_tokens)

    train = prepared([*lessons.train, *label_topics(lessons, recipe)])
    dev = prepared(lessons.dev)
    course = ClassifierCourse(model, train, recipe.model_copy(update={"epochs": epochs}), dtype)
    wording = recipe.model_dump_json(exclude={"threads"}) + digest(train, dev)

    def look() -> Look | None:
        if not dev:
            return None
        predicted = course.logits(dev).argmax(dim=1).tolist()
        right = accuracy(predicted, [example.label for example in dev])
        return Look(right, {"accuracy": right})

    journal = school(
        course,
        look,
        wording=wording,
        epochs=epochs,
        patience=recipe.patience,
        folder=folder,
        save_every_s=place.save_every_s,
    )

    def logits(examples: Sequence[TextExample]) -> Floats:
        found: Floats = course.logits(examples).double().numpy() if examples else np.zeros((0, len(lessons.labels)))
        return found

    others = [Topic(text, lessons.labels[0]) for text in lessons.other_dev]
    labels = np.array([example.label for example in dev], dtype=np.int64)
    return Run(model, journal, logits(dev), labels, logits(prepared(others)))


def digest(*parts: Sequence[TextExample]) -> str:
    """Of the texts, as the model reads them, and their labels: a run does not go on with other data."""
    found = hashlib.sha256()
    for part in parts:
        for example in part:
            found.update(example.window.ids.tobytes() + example.label.to_bytes(4, "big"))
        found.update(b"/")
    return found.hexdigest()


def _store(
    model: LoadedModel, recipe: ClassifierRecipe, chosen: Calibration, record: TrainingRecord, out: Path
) -> ModelConfig:
    shape = model.config.classifier
    assert shape is not None
    shape = shape.model_copy(update={"refuse_by": chosen.rule, "refuse_below": chosen.threshold})
    return save_model(
        out,
        model,
        model.config.model_copy(update={"classifier": shape, "temperature": chosen.temperature, "training": record}),
    )


def _test_scores(
    recipe: ClassifierRecipe, lessons: Lessons, chosen: Calibration, folder: Path, trunk: Path | None
) -> dict[str, dict[str, float]]:
    """By test file, through the product's own path, from the weights as stored in `folder`."""
    if not lessons.tests:
        return {}
    settings = ModelSettings(name=str(folder), trunk=trunk, precision=recipe.precision)
    stages = (StageName.CLASSIFICATION,)
    model = SharedEncoderModel(open_model(settings), labels={}, stages=stages, settings=settings)
    none: Floats = np.zeros((0, len(lessons.labels)))
    strange = cosines_of(model, lessons.other_test) if lessons.other_test else none
    scores = {}
    for name, topics in lessons.tests.items():
        logits = cosines_of(model, [topic.text for topic in topics])
        right = np.array([lessons.labels.index(topic.label) for topic in topics], dtype=np.int64)
        scores[name] = scores_in_percent(logits, right, strange, chosen)
    return scores
