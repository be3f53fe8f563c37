"""`enrich train`: data in, a model folder out. Read first: the steps of a run, in order, by name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from schemas.base import StageName
from workers.errors import ConfigurationError
from workers.lifecycle.calibrate import calibrate
from workers.lifecycle.card import write_card
from workers.lifecycle.checkpoint import drop_checkpoint, require_free
from workers.lifecycle.curve import require_plotting
from workers.lifecycle.devset import dev_examples, read_logits, score
from workers.lifecycle.examples import Example
from workers.lifecycle.extras import learn_salience, packaged_scores, restore_space, summed_up, topic_temperature
from workers.lifecycle.gathering import Kept, TrainingData, gather
from workers.lifecycle.learning import ExtractionCourse
from workers.lifecycle.recipe import TrainSettings, read_recipe
from workers.lifecycle.schooling import Look, school
from workers.lifecycle.teaching import drop_answers, earlier_revision, taught
from workers.models.config import ModelConfig, TrainingRecord, write_config
from workers.models.folder import LoadedModel, blank_model, open_model, save_model
from workers.models.precision import DTYPES, choose_device, choose_precision, use_threads
from workers.models.store import TOKENIZER_SHA256, TRUNK_SHA256, find_trunk
from workers.settings import ModelSettings


def train(config: Path | None, *, data: Path, out: Path) -> None:
    """Trains, calibrates, measures and writes a model; goes on where an earlier run of the same recipe stopped.

    Raises ConfigurationError if `out` already holds a model.
    """
    recipe = read_recipe(config)
    require_free(out)
    require_plotting()
    use_threads(recipe.threads)
    device = choose_device(recipe.device, option="recipe: device")
    started = time.monotonic()
    model = first_model(recipe)
    gathered = gather(data, model.tokenizer, recipe)
    examples, earlier = gathered.labelled, None
    if recipe.teacher is not None:
        earlier = earlier_revision(recipe.teacher)
        examples = taught(model, gathered, recipe, recipe.teacher, device=device, out=out)
    for module in (model.encoder, model.heads):
        module.to(device)
    epochs = learn(model, examples, gathered.kept, recipe, out=out)
    if "lower" in recipe.encoder.trained:
        restore_space(model, gathered.examples, recipe, data=data)
    for module in (model.encoder, model.heads):
        module.to("cpu")
    record = TrainingRecord(
        seed=recipe.seed,
        epochs=epochs,
        windows=gathered.counts,
        seconds=round(time.monotonic() - started),
        torch=torch.__version__,
        earlier=earlier,
    )
    finish(model, gathered, recipe, record, data=data, out=out)
    drop_checkpoint(out)
    drop_answers(out)


def learn(
    model: LoadedModel, examples: Sequence[Example], kept: Sequence[Kept], recipe: TrainSettings, *, out: Path
) -> int:
    """Changes the model in place to its best epoch on dev; returns how many were run."""
    dtype = DTYPES[choose_precision(recipe.precision, model.encoder.words.weight.device)]
    course = ExtractionCourse(model, examples, recipe, dtype)
    dev = dev_examples(model, kept, max_tokens=recipe.max_tokens)

    def look() -> Look | None:
        if not dev:
            return None
        with course.averaged():
            found = score(read_logits(model, dev))
        return Look(found.value, {"entity F1": found.entities.f1, "pair F1": found.relations.f1})

    wording = recipe.model_dump_json(exclude={"threads", "device"})
    return school(course, look, wording=wording, epochs=recipe.epochs, patience=recipe.patience, folder=out).epoch


def first_model(recipe: TrainSettings) -> LoadedModel:
    """The trunk with untrained heads, or the model that the recipe starts from, as far as the types are the same."""
    torch.manual_seed(recipe.seed)
    config = ModelConfig(
        name=recipe.name,
        trunk_sha256=TRUNK_SHA256,
        tokenizer_sha256=TOKENIZER_SHA256,
        heads_sha256="",
        encoder=recipe.encoder,
        stages=stages_of(recipe),
        entity_types=recipe.entity_types,
        relation_types=recipe.relation_types,
    )
    model = blank_model(config, find_trunk())
    if recipe.start is not None:
        take_over(model, open_model(ModelSettings(name=recipe.start)))
    return model


def stages_of(recipe: TrainSettings) -> tuple[StageName, ...]:
    """What the model will have learned to answer: no relations without types, no summaries without salience."""
    learned = {StageName.ENTITIES, StageName.CLASSIFICATION}
    if recipe.relation_types:
        learned.add(StageName.RELATIONS)
    if recipe.summed_up or recipe.start is not None:
        learned.add(StageName.SUMMARY)
    return tuple(stage for stage in StageName if stage in learned)


def take_over(model: LoadedModel, start: LoadedModel) -> None:
    """Weights of `start` into `model` wherever they fit: all of the encoder, and heads whose types did not change."""
    if start.config.encoder.model_dump(exclude={"trained"}) != model.config.encoder.model_dump(exclude={"trained"}):
        raise ConfigurationError("recipe: `start` has another encoder: copy `encoder` from that model's config.json")
    model.encoder.load_state_dict(start.encoder.state_dict())
    own = model.heads.state_dict()
    fitting = {name: tensor for name, tensor in start.heads.state_dict().items() if own[name].shape == tensor.shape}
    model.heads.load_state_dict(own | fitting)


def finish(
    model: LoadedModel, gathered: TrainingData, recipe: TrainSettings, record: TrainingRecord, *, data: Path, out: Path
) -> None:
    """Everything after the long part: salience, temperatures, thresholds, scores, card."""
    files = summed_up(data, recipe.summed_up, recipe.limit)
    quoting = learn_salience(model, files, seed=recipe.seed) if files else None
    stored = save_model(out, model, model.config.model_copy(update={"training": record, "quoting": quoting}))
    stored = calibrate(out, stored, gathered.kept, max_tokens=recipe.max_tokens)
    if recipe.packaged_extras:
        stored = stored.model_copy(update={"temperature": topic_temperature(out, data, seed=recipe.seed)})
        write_config(out, stored)
        stored = stored.model_copy(update={"scores": packaged_scores(out, data)})
        write_config(out, stored)
    write_card(out, stored, recipe)
