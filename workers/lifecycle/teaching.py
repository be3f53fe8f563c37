"""Larger encoders learn the recipe's data, and what they then say becomes a part of every example.

They learn from labels alone, in the way of the model itself, and are asked about their own texts, about the same with
other names, and about texts without labels. What they said is kept in the run's folder until it has ended.
"""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import Progress

from workers.errors import ConfigurationError
from workers.lifecycle.batches import Noise, by_area, epoch_batches, make_batch
from workers.lifecycle.beliefs import Answers, with_answers
from workers.lifecycle.examples import Example
from workers.lifecycle.gathering import TrainingData
from workers.lifecycle.keyed_arrays import Arrays, read_arrays, write_arrays
from workers.lifecycle.labelspace import LabelSpace
from workers.lifecycle.learning import WindowReader, label_losses, read
from workers.lifecycle.recipe import TrainSettings
from workers.lifecycle.steps import adam, groups_of, rate_share, take_step
from workers.lifecycle.teacher_encoder import LargeEncoder, find_encoder
from workers.lifecycle.teacher_recipe import TeacherSettings
from workers.models.config import read_config, revision_of
from workers.models.folder import LoadedModel, open_model
from workers.models.heads import Heads
from workers.models.precision import DTYPES, choose_precision
from workers.models.store import find_model
from workers.settings import ModelSettings

FOLDER = "teachers"


@dataclass(frozen=True, slots=True)
class Teacher:
    """A larger encoder with heads like the model's, on its device."""

    encoder: LargeEncoder
    heads: Heads
    device: torch.device
    dtype: torch.dtype


def taught(
    model: LoadedModel,
    data: TrainingData,
    recipe: TrainSettings,
    settings: TeacherSettings,
    *,
    device: torch.device,
    out: Path,
) -> list[Example]:
    """All examples with what the teachers think of them. A teacher whose answers are in `out` is not asked again.

    Raises ConfigurationError, before anything is learned, for an encoder or an earlier model that does not fit.
    """
    folder, digest = find_encoder(settings)
    earlier = None if settings.earlier is None else _earlier_model(settings.earlier, model, recipe)
    asked = [*data.examples, *data.renamed, *data.unlabelled]
    key = _digest(recipe, digest, asked)
    (out / FOLDER).mkdir(parents=True, exist_ok=True)
    found: list[Arrays] = []
    for number, rate in enumerate(settings.encoder_rates):
        path = out / FOLDER / f"{number}.safetensors"
        if not path.is_file():
            torch.manual_seed(recipe.seed + number)
            teacher = _untaught(folder, model, recipe, device)
            _learn(teacher, data.examples, model, recipe, settings, rate=rate, number=number)
            write_arrays(path, _answers(teacher.encoder, teacher.heads, asked, recipe), key)
        found.append(read_arrays(path, key, what="another recipe, another encoder or other texts"))
    tags, relations = (
        np.stack([arrays[name] for arrays in found]).mean(axis=0, dtype=np.float32).astype(np.float16)
        for name in ("tags", "relations")
    )
    before = None
    if earlier is not None:
        before = Answers(**_answers(earlier.encoder.to(device), earlier.heads.to(device), asked, recipe))
    labels = LabelSpace(recipe.entity_types, recipe.relation_types)
    return list(with_answers(asked, Answers(tags, relations), before, labels))


def earlier_revision(settings: TeacherSettings) -> str | None:
    """Of the model that is believed beside the teachers: that of a name may be another one tomorrow."""
    return None if settings.earlier is None else revision_of(read_config(find_model(settings.earlier)))


def drop_answers(out: Path) -> None:
    shutil.rmtree(out / FOLDER, ignore_errors=True)


def _earlier_model(name: str, model: LoadedModel, recipe: TrainSettings) -> LoadedModel:
    earlier = open_model(ModelSettings(name=name))
    names = [relation.name for relation in recipe.relation_types]
    if earlier.config.entity_types != recipe.entity_types:
        raise ConfigurationError(f"recipe: teacher.earlier: {name} finds other entity types: leave it out")
    if [relation.name for relation in earlier.config.relation_types] != names:
        raise ConfigurationError(f"recipe: teacher.earlier: {name} finds other relations: leave it out")
    if earlier.config.tokenizer_sha256 != model.config.tokenizer_sha256:
        raise ConfigurationError(f"recipe: teacher.earlier: {name} reads other word pieces: leave it out")
    return earlier


def _untaught(folder: Path, model: LoadedModel, recipe: TrainSettings, device: torch.device) -> Teacher:
    encoder = LargeEncoder(folder, model.tokenizer.vocabulary())
    most, longest = getattr(encoder.model.config, "max_position_embeddings", None), recipe.max_tokens + 2
    if most is not None and most < longest:
        raise ConfigurationError(f"teacher {folder} reads {most} tokens, max_tokens asks for {longest}: lower it")
    encoder.words.requires_grad_(False)  # as in the model: names that were never seen keep their places
    heads = Heads(encoder.width, model.config.heads, recipe.entity_types, recipe.relation_types)
    dtype = DTYPES[choose_precision(recipe.precision, device)]
    return Teacher(encoder.to(device), heads.to(device), device, dtype)


def _learn(
    teacher: Teacher,
    examples: Sequence[Example],
    model: LoadedModel,
    recipe: TrainSettings,
    settings: TeacherSettings,
    *,
    rate: float,
    number: int,
) -> None:
    encoder, heads = teacher.encoder.train(), teacher.heads
    own = (*encoder.case.parameters(), *heads.entities.parameters(), *heads.relations.parameters())
    optimizer = adam(
        [
            *groups_of(encoder.model.parameters(), rate=rate, decay=recipe.weight_decay),
            *groups_of(own, rate=settings.heads_rate, decay=0.0),
        ]
    )
    noise = Noise(recipe.recase, recipe.forget, model.tokenizer.unknown_id)
    windows = [example.window for example in examples]
    steps = settings.epochs * len(by_area(windows, settings.batch_tokens, random.Random(0)))  # noqa: S311
    done = 0
    with Progress() as bar:
        task = bar.add_task(f"teacher {number + 1} of {len(settings.encoder_rates)} learns", total=steps)
        for epoch in range(settings.epochs):
            rng = random.Random(f"{recipe.seed + number}:{epoch}")  # noqa: S311
            torch.manual_seed(rng.getrandbits(32))
            for batch in epoch_batches(
                examples, teacher.device, batch_tokens=settings.batch_tokens, noise=noise, rng=rng
            ):
                tags, relations = read(encoder, heads, batch, dropout=recipe.dropout, dtype=teacher.dtype)
                loss = label_losses(tags, relations, batch).joined(recipe.relation_weight)
                take_step(optimizer, loss, share=rate_share(done, steps, warm_up=recipe.warm_up))
                done += 1
                bar.update(task, completed=done)
    encoder.eval()


@torch.inference_mode()
def _answers(encoder: WindowReader, heads: Heads, examples: Sequence[Example], recipe: TrainSettings) -> Arrays:
    """Of all examples, end to end: tags [W, tags] and relations [P, types], as probabilities."""
    device = next(heads.parameters()).device
    dtype = DTYPES[choose_precision(recipe.precision, device)]
    tags: list[npt.NDArray[np.float16]] = [np.zeros(0, np.float16)] * len(examples)
    relations = list(tags)
    windows = [example.window for example in examples]
    for numbers in by_area(windows, 2 * recipe.batch_tokens, random.Random(0)):  # noqa: S311
        chosen = [examples[number] for number in numbers]
        batch = make_batch(chosen, device)
        told, pairs = read(encoder, heads, batch, dropout=0.0, dtype=dtype)
        likely = torch.sigmoid(pairs) if pairs is not None else torch.zeros(batch.targets.shape)
        for target, rows, counts in (
            (tags, torch.softmax(told, dim=1), [len(example.possible) for example in chosen]),
            (relations, likely, [len(example.targets) for example in chosen]),
        ):
            parts = np.split(rows.half().cpu().numpy(), np.cumsum(counts)[:-1])
            for number, part in zip(numbers, parts, strict=True):
                target[number] = part
    return {"tags": np.concatenate(tags), "relations": np.concatenate(relations)}


def _digest(recipe: TrainSettings, encoder: str, examples: Sequence[Example]) -> str:
    """Of all that decides what the teachers say: a file whose labels were mended is another one."""
    whole = hashlib.sha256(recipe.model_dump_json(exclude={"threads", "device"}).encode() + encoder.encode())
    for example in examples:
        for part in (example.window.ids, example.possible, example.targets, example.known):
            whole.update(part.tobytes())
    return whole.hexdigest()
