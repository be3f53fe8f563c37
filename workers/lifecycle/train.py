"""`enrich train`: data in, a model folder out. Read first: the steps of a run, in order, by name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from schemas.base import StageName
from workers.errors import ConfigurationError
from workers.lifecycle.card import write_card
from workers.lifecycle.data import Labelled, read_oracle, read_prominence, read_related, read_topics
from workers.lifecycle.evaluate import evaluate
from workers.lifecycle.labels import ENTITY_TYPES, RELATION_TYPES
from workers.lifecycle.learning import Progress as Step
from workers.lifecycle.learning import learn
from workers.lifecycle.recipe import TrainingData, TrainSettings, gather, read_recipe
from workers.lifecycle.relations import choose_thresholds, examples_of
from workers.lifecycle.salience import PERMISSIVE_GENRES, fit, read
from workers.lifecycle.topics import cosines_of, fit_temperature, readable
from workers.models.config import CONFIG_FILE, ModelConfig, TrainingRecord, write_config
from workers.models.folder import LoadedModel, blank_model, open_model, save_model
from workers.models.precision import DTYPES, choose_precision
from workers.models.shared import SharedEncoderModel
from workers.models.store import TOKENIZER_SHA256, TRUNK_SHA256, find_trunk
from workers.settings import ModelSettings

TEMPERATURE_TEXTS = 2_000


def train(config: Path | None, *, data: Path, out: Path) -> None:
    """Trains, calibrates, measures and writes a model. Raises ConfigurationError if `out` already holds one."""
    recipe = read_recipe(config)
    if (out / CONFIG_FILE).exists():
        raise ConfigurationError(f"{out} already holds a model: choose another --out")
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    trunk = find_trunk()
    torch.manual_seed(recipe.seed)
    model = blank_model(_first_config(recipe), trunk)
    gathered = gather(data, model.tokenizer, recipe)
    record = _learn(model, gathered, recipe)
    finish(model, gathered.heldout, recipe, record, data=data, out=out)


def finish(
    model: LoadedModel,
    heldout: Sequence[Labelled],
    recipe: TrainSettings,
    record: TrainingRecord,
    *,
    data: Path,
    out: Path,
) -> None:
    """Everything after the long part: salience, thresholds, temperature, scores, card."""
    _learn_salience(model, data, seed=recipe.seed)
    stored = save_model(out, model, model.config.model_copy(update={"training": record}))
    model = open_model(ModelSettings(name=str(out)))  # what follows sees the weights as stored, in half precision
    related = [example for examples in examples_of(model, heldout, "redocred") for example in examples] + [
        example
        for examples in examples_of(model, read_related(data / "relations/knowledgenet.dev.jsonl"), "knowledgenet")
        for example in examples
    ]
    stored = stored.model_copy(update={"relation_types": choose_thresholds(model, related)})
    write_config(out, stored)
    stored = stored.model_copy(update={"temperature": _temperature(out, data, seed=recipe.seed)})
    write_config(out, stored)
    stored = stored.model_copy(update={"scores": evaluate(out, data)})
    write_config(out, stored)
    write_card(out, stored, recipe)


def _first_config(recipe: TrainSettings) -> ModelConfig:
    return ModelConfig(
        name=recipe.name,
        trunk_sha256=TRUNK_SHA256,
        tokenizer_sha256=TOKENIZER_SHA256,
        heads_sha256="",
        entity_types=ENTITY_TYPES,
        relation_types=RELATION_TYPES,
    )


def _learn(model: LoadedModel, gathered: TrainingData, recipe: TrainSettings) -> TrainingRecord:
    started = time.monotonic()
    asked = recipe.precision
    precision = choose_precision(
        "auto" if asked == "auto" else "bf16" if asked == "bf16" else "fp32", torch.device("cpu")
    )
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("reading the frozen layers", total=None)

        def report(step: Step) -> None:
            text = f"epoch {step.epoch + 1}: entities {step.entity_loss:.3f} relations {step.relation_loss:.3f}"
            bar.update(task, completed=step.step, total=step.steps, description=text)

        learn(model, gathered.examples, recipe, dtype=DTYPES[precision], report=report)
    return TrainingRecord(
        seed=recipe.seed,
        epochs=recipe.epochs,
        windows=gathered.counts,
        seconds=round(time.monotonic() - started),
        torch=torch.__version__,
    )


def _learn_salience(model: LoadedModel, data: Path, *, seed: int) -> None:
    documents = read_oracle(data / "summarization/scitldr_a.train.jsonl")
    documents += read_prominence(data / "summarization/gum.train.jsonl", PERMISSIVE_GENRES)
    model.encoder.requires_grad_(False)
    fit(model.heads.salience, read(model, documents), seed=seed)


def _temperature(folder: Path, data: Path, *, seed: int) -> float:
    """Fitted on intents with a permissive licence, offered by their names alone."""
    topics = read_topics(data / "classification/clinc150.dev.jsonl")[:TEMPERATURE_TEXTS]
    names = sorted({topic.label for topic in topics})
    settings = ModelSettings(name=str(folder))
    model = SharedEncoderModel(
        open_model(settings),
        labels={name: readable(name) for name in names},
        stages=(StageName.CLASSIFICATION,),
        settings=settings,
    )
    cosines = cosines_of(model, [topic.text for topic in topics])
    return fit_temperature(cosines, [names.index(topic.label) for topic in topics], seed=seed)
