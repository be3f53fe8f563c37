"""The training loop of encoder and heads on entities and relations. Reads no file, writes no file."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.optim import AdamW

from workers.lifecycle.averaging import MovingAverage, average_tensors, averaged, restore_average
from workers.lifecycle.batches import Noise, TrainingBatch, by_area, epoch_batches
from workers.lifecycle.checkpoint import restore_training, training_tensors
from workers.lifecycle.examples import Example
from workers.lifecycle.lora import install, merge
from workers.lifecycle.losses import entity_loss, relation_loss, soft_entity_loss
from workers.lifecycle.recipe import TrainSettings
from workers.lifecycle.schooling import Step
from workers.lifecycle.steps import adam, groups_of, rate_share, take_step
from workers.models.attention import Reach
from workers.models.encoder import BranchedEncoder
from workers.models.folder import LoadedModel
from workers.models.heads import Heads

PARTS = ("case", "lower", "tuned")  # of the encoder; the sentence branch is restored afterwards, see `sentences`


class WindowReader(Protocol):
    """What reads windows for entities and relations, as `BranchedEncoder` does."""

    def read_lower(self, ids: Tensor, reach: Reach, shapes: Tensor) -> Tensor: ...

    def read_tuned(self, hidden: Tensor, reach: Reach, shapes: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Losses:
    """Of a batch."""

    entities: Tensor
    relations: Tensor

    def joined(self, relation_weight: float) -> Tensor:
        return self.entities + relation_weight * self.relations

    def named(self, whose: str) -> dict[str, float]:
        return {f"{whose}entities": self.entities.item(), f"{whose}relations": self.relations.item()}


class ExtractionCourse:
    """A run that goes epoch by epoch and may be taken up again after any: all that a step changes is in here."""

    def __init__(
        self, model: LoadedModel, examples: Sequence[Example], recipe: TrainSettings, dtype: torch.dtype
    ) -> None:
        self._model, self._examples, self._recipe, self._dtype = model, examples, recipe, dtype
        encoder = model.encoder
        encoder.requires_grad_(False)
        for part in [part for part in PARTS if part in model.config.encoder.trained]:
            if recipe.tune == "lora" and part != "case":
                install(getattr(encoder, part), recipe.lora_rank)
            else:
                getattr(encoder, part).requires_grad_(True)
        self.per_epoch = len(by_area([e.window for e in examples], recipe.batch_tokens, random.Random(0)))  # noqa: S311
        self.steps = self.per_epoch * recipe.epochs
        self._optimizer = _optimizer(encoder, model.heads, recipe)
        self._module = nn.ModuleDict({"encoder": encoder, "heads": model.heads})
        self._average = MovingAverage(self._module, decay=recipe.average) if recipe.average else None
        self.epoch = 0  # epochs done

    def run_epoch(self, report: Callable[[Step], None]) -> None:
        """One pass over the data. Its order and noise depend on seed and epoch alone."""
        recipe, encoder, heads = self._recipe, self._model.encoder, self._model.heads
        rng = random.Random(f"{recipe.seed}:{self.epoch}")  # noqa: S311
        torch.manual_seed(rng.getrandbits(32))
        noise = Noise(recipe.recase, recipe.forget, self._model.tokenizer.unknown_id)
        device = encoder.words.weight.device
        sums: dict[str, float] = {}
        batches = epoch_batches(self._examples, device, batch_tokens=recipe.batch_tokens, noise=noise, rng=rng)
        for number, batch in enumerate(batches, start=1):
            tags, relations = read(encoder, heads, batch, dropout=recipe.dropout, dtype=self._dtype)
            labels, teachers = label_losses(tags, relations, batch), teacher_losses(tags, relations, batch)
            loss = step_loss(labels, teachers, recipe)
            done = self.epoch * self.per_epoch + number
            share = rate_share(done - 1, self.steps, warm_up=recipe.warm_up)
            take_step(self._optimizer, loss, share=share)
            if self._average is not None:
                self._average.update()
            told = labels.named("") | (teachers.named("teachers' ") if teachers else {})
            sums = {name: sums.get(name, 0.0) + value for name, value in told.items()}
            report(Step(self.epoch, done, {name: total / number for name, total in sums.items()}))
        self.epoch += 1

    def averaged(self) -> AbstractContextManager[None]:
        """Inside, the model is what it would be now."""
        return averaged(self._average)

    def tensors(self) -> dict[str, Tensor]:
        return training_tensors(self._module, self._optimizer) | average_tensors(self._average)

    def restore(self, tensors: Mapping[str, Tensor], *, epoch: int) -> None:
        """Back to where `tensors` were taken, after `epoch` epochs."""
        restore_training(self._module, self._optimizer, tensors)
        restore_average(self._average, tensors)
        self.epoch = epoch

    def weights(self) -> dict[str, Tensor]:
        with self.averaged():
            return {name: tensor.detach().clone() for name, tensor in self._module.state_dict().items()}

    def finish(self, weights: Mapping[str, Tensor]) -> None:
        """The model gets these weights for good, low-rank changes merged."""
        self._module.load_state_dict(dict(weights))
        merge(self._model.encoder)


def read(
    encoder: WindowReader, heads: Heads, batch: TrainingBatch, *, dropout: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor | None]:
    """Logits of tags [W, tags], and of relations [P, types] where the batch has pairs."""
    with torch.autocast(batch.ids.device.type, torch.bfloat16, enabled=dtype is torch.bfloat16):
        lower = encoder.read_lower(batch.ids, batch.mask, batch.shapes)
        hidden = encoder.read_tuned(lower, batch.mask, batch.shapes)
    hidden = F.dropout(hidden.float(), dropout)
    tags = heads.tag_logits(hidden[batch.word_rows, batch.word_firsts])
    return tags, None if batch.pairs is None else heads.relations(hidden, batch.pairs)


def label_losses(tags: Tensor, relations: Tensor | None, batch: TrainingBatch) -> Losses:
    """Against the labels of the batch."""
    entities = entity_loss(tags, batch.possible)
    if relations is None:
        return Losses(entities, entities.new_zeros(()))
    return Losses(entities, relation_loss(relations, batch.targets, batch.known))


def teacher_losses(tags: Tensor, relations: Tensor | None, batch: TrainingBatch) -> Losses | None:
    """Against what teachers said; None without them."""
    if batch.soft_tags is None or batch.soft_relations is None or batch.believed is None or batch.open_tags is None:
        return None
    entities = soft_entity_loss(tags, batch.soft_tags, batch.open_tags)
    if relations is None:
        return Losses(entities, entities.new_zeros(()))
    return Losses(entities, relation_loss(relations, batch.soft_relations, batch.believed))


def step_loss(labels: Losses, teachers: Losses | None, recipe: TrainSettings) -> Tensor:
    """What a step minimises."""
    from_labels = labels.joined(recipe.relation_weight)
    if recipe.teacher is None or teachers is None:
        return from_labels
    from_teachers = teachers.joined(recipe.relation_weight)
    return recipe.teacher.label_weight * from_labels + recipe.teacher.weight * from_teachers


def _optimizer(encoder: BranchedEncoder, heads: Heads, recipe: TrainSettings) -> AdamW:
    parts = {"lower": recipe.encoder_rate * recipe.lower_share, "tuned": recipe.encoder_rate}
    groups = [
        group
        for part, rate in parts.items()
        for group in groups_of(getattr(encoder, part).parameters(), rate=rate, decay=recipe.weight_decay)
    ]
    own = (*encoder.case.parameters(), *heads.entities.parameters(), *heads.relations.parameters())
    return adam([*groups, *groups_of(own, rate=recipe.heads_rate, decay=0.0)])
