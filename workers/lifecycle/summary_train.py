"""`enrich train` with `task: summary`: a model learns from a team's own summaries which sentences to quote.

The encoder and the other heads stay, bit by bit, so that entities, relations and labels are answered as before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from schemas.base import StageName
from workers.lifecycle.checkpoint import require_free
from workers.lifecycle.evaluate import stated_scores
from workers.lifecycle.extras import learn_salience, summed_up
from workers.lifecycle.salience import EPOCHS
from workers.lifecycle.suite import SetTask
from workers.lifecycle.summary_card import write_summary_card
from workers.lifecycle.summary_recipe import SummaryRecipe, read_summary_recipe
from workers.models.config import ModelConfig, TrainingRecord, write_config
from workers.models.folder import LoadedModel, open_model, save_model
from workers.models.precision import use_threads
from workers.settings import ModelSettings


def train_summaries(config: Path, *, data: Path, out: Path, trunk: Path | None = None) -> None:
    """Trains, measures and writes a model: minutes, so that there is nothing to go on with after an interruption.

    `trunk` is the folder of the trunk's files, found by digest if not given. Raises ConfigurationError if `out` already
    holds a model, and for files without summaries.
    """
    recipe = read_summary_recipe(config)
    require_free(out)
    use_threads(recipe.threads)
    started = time.monotonic()
    files = summed_up(data, recipe.train, recipe.limit)
    start = open_model(ModelSettings(name=recipe.start, trunk=trunk))
    quoting = learn_salience(start, files, seed=recipe.seed)
    record = TrainingRecord(
        seed=recipe.seed,
        epochs=EPOCHS,
        windows={file.name: len(texts) for file, texts in zip(recipe.train, files, strict=True)},
        seconds=round(time.monotonic() - started),
        torch=torch.__version__,
    )
    changes = {"name": recipe.name, "quoting": quoting, "training": record, "scores": {}}
    stored = save_model(out, start, changed(start, changes))
    if recipe.test:
        settings = ModelSettings(name=str(out), trunk=trunk)
        scores = stated_scores(settings, _tests(recipe, data))
        stored = stored.model_copy(update={"scores": scores})
        write_config(out, stored)
    write_summary_card(out, stored, recipe, start.config)


def changed(start: LoadedModel, changes: dict[str, object]) -> ModelConfig:
    """What is trained further is a model of its own and no variant; it sums up, whatever it did before."""
    stages = tuple(stage for stage in StageName if stage in (*start.config.stages, StageName.SUMMARY))
    return start.config.model_copy(update={"stages": stages, "variant_of": None, "precision": None, **changes})


def _tests(recipe: SummaryRecipe, data: Path) -> Sequence[SetTask]:
    return [SetTask(path=data / file.path, sentences=recipe.sentences) for file in recipe.test]
