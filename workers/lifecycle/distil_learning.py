"""The student's loop: drawn to what the teacher thought likely, and to labels where there are some. Reads no file."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from workers.lifecycle.batches import TrainingBatch, by_area, make_batch
from workers.lifecycle.checkpoint import restore_training, training_tensors
from workers.lifecycle.distil_recipe import DistilSettings
from workers.lifecycle.distil_targets import SoftExample
from workers.lifecycle.examples import Example
from workers.lifecycle.learning import label_losses, read
from workers.lifecycle.steps import adam, groups_of, rate_share, take_step
from workers.models.encoder import attention_mask
from workers.models.folder import LoadedModel
from workers.models.heads import running_sums
from workers.models.prepared import collate
from workers.models.readout import place, pooled

_LEAST = 1e-8  # probability; a logarithm of zero has no gradient to learn from


@dataclass(frozen=True, slots=True)
class Closeness:
    """Of student and teacher on some texts. NaN where nothing was compared."""

    tags: float  # part of the words on whose best tag they agree
    labels: float  # part of the texts on whose best label they agree
    divergence: float  # mean Kullback-Leibler divergence of words and texts, in nats, at the recipe's temperature


def divergence(logits: Tensor, wanted: Tensor, groups: Tensor, *, temperature: float) -> Tensor:
    """[N, S] logits, [N, S] probabilities -> [N]. `groups` [S] sends a column to the one that stands for it: what the
    teacher does not tell apart the student may, with no loss (Hinton et al. 2015, but over sums of columns)."""
    found = torch.softmax(logits / temperature, dim=1)
    joined = torch.zeros_like(found).index_add(1, groups, found).clamp(min=_LEAST)
    return (wanted * (wanted.clamp(min=_LEAST).log() - joined.log())).sum(dim=1)


class DistilCourse:
    """A run that goes epoch by epoch and may be taken up again after any."""

    def __init__(
        self,
        model: LoadedModel,
        soft: Sequence[SoftExample],
        hard: Sequence[Example],
        groups: Tensor,
        recipe: DistilSettings,
    ) -> None:
        self._model, self._soft, self._hard, self._groups, self._recipe = model, soft, hard, groups, recipe
        encoder, heads = model.encoder, model.heads
        self._reads_tags = any(len(example.tags) for example in soft) or bool(hard)
        self._reads_labels = any(len(example.labels) for example in soft)
        encoder.requires_grad_(False)
        self._parts = nn.ModuleDict()
        if self._reads_tags:
            self._parts.update({"case": encoder.case, "tuned": encoder.tuned, "entities": heads.entities})
            if any(len(example.pairs) for example in hard):
                self._parts["relations"] = heads.relations
        if self._reads_labels and heads.classifier is not None:
            self._parts.update({"plain": encoder.plain, "classifier": heads.classifier})
        self._parts.requires_grad_(True)
        self._optimizer = _optimizer(self._parts, recipe)
        self.per_epoch = len(self._batches(random.Random(0)))  # noqa: S311
        self.steps = self.per_epoch * recipe.epochs
        self.epoch = 0  # epochs done

    def run_epoch(self, report: Callable[[int, float], None]) -> None:
        """One pass; its order depends on seed and epoch alone. `report` gets steps done and the epoch's mean loss."""
        recipe = self._recipe
        rng = random.Random(f"{recipe.seed}:{self.epoch}")  # noqa: S311
        torch.manual_seed(rng.getrandbits(32))
        total, hard = 0.0, self._hard_batches(rng)
        for number, chosen in enumerate(self._batches(rng), start=1):
            loss = self.loss([self._soft[n] for n in chosen])
            if (batch := next(hard, None)) is not None:
                tags, pairs = read(self._model.encoder, self._model.heads, batch, dropout=0.0, dtype=torch.float32)
                loss = loss + recipe.hard_weight * label_losses(tags, pairs, batch).joined(1.0)
            done = self.epoch * self.per_epoch + number
            take_step(self._optimizer, loss, share=rate_share(done - 1, self.steps, warm_up=recipe.warm_up))
            total += loss.item()
            report(done, total / number)
        self.epoch += 1

    def loss(self, examples: Sequence[SoftExample]) -> Tensor:
        """Mean divergence of the words plus that of the texts, times the temperature's square, which keeps gradients
        of one size whatever the temperature."""
        words, texts = self._divergences(examples, *self._logits(examples))
        parts = [part.mean() for part in (words, texts) if len(part)]
        zero = torch.zeros((), device=self._groups.device, requires_grad=True)
        return sum(parts, zero) * self._recipe.temperature**2

    @torch.no_grad()
    def closeness(self, examples: Sequence[SoftExample]) -> Closeness:
        agreed: dict[str, list[Tensor]] = {"tags": [], "labels": []}
        apart: list[Tensor] = []
        for chosen in by_area([example.window for example in examples], self._recipe.batch_tokens, random.Random(0)):  # noqa: S311
            batch = [examples[number] for number in chosen]
            tags, labels = self._logits(batch)
            apart += self._divergences(batch, tags, labels)
            best_tags = self._groups[tags.argmax(dim=1)]
            taught, wanted_tags, wanted_labels = self._wanted(batch)
            if tags.shape[0]:
                agreed["tags"].append((best_tags == wanted_tags.argmax(dim=1))[taught])
            if labels.shape[0]:
                agreed["labels"].append(labels.argmax(dim=1) == wanted_labels.argmax(dim=1))
        return Closeness(_mean(agreed["tags"]), _mean(agreed["labels"]), _mean(apart))

    def tensors(self) -> dict[str, Tensor]:
        return training_tensors(self._parts, self._optimizer)

    def restore(self, tensors: Mapping[str, Tensor], *, epoch: int) -> None:
        """Back to where `tensors` were taken, after `epoch` epochs."""
        restore_training(self._parts, self._optimizer, tensors)
        self.epoch = epoch

    def _logits(self, examples: Sequence[SoftExample]) -> tuple[Tensor, Tensor]:
        """Tags of all words [W, S] and labels of all texts [B, L]; no rows for what is not distilled."""
        device, encoder, heads = self._groups.device, self._model.encoder, self._model.heads
        batch = collate([example.window for example in examples])
        ids, shapes, lengths = (place(a, device) for a in (batch.ids, batch.shapes, batch.lengths))
        mask = attention_mask(lengths, ids.shape[1])
        lower = encoder.read_lower(ids, mask, shapes)
        tags, labels = torch.zeros(0, len(self._groups)), torch.zeros(0, 0)
        if self._reads_tags:
            hidden = encoder.read_tuned(lower, mask, shapes)
            tags = heads.tag_logits(hidden[place(batch.word_items, device), place(batch.word_firsts, device)])
        if self._reads_labels and heads.classifier is not None:
            plain = encoder.read_plain(lower, mask)
            labels = heads.classifier(pooled(plain, lengths, running_sums(plain)))
        return tags, labels

    def _wanted(self, examples: Sequence[SoftExample]) -> tuple[Tensor, Tensor, Tensor]:
        columns = (
            np.concatenate([example.taught for example in examples]),
            np.concatenate([example.tags for example in examples]),
            np.stack([example.labels for example in examples]),
        )
        taught, tags, labels = (place(column, self._groups.device) for column in columns)
        return taught, tags, labels

    def _divergences(self, examples: Sequence[SoftExample], tags: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        taught, wanted_tags, wanted_labels = self._wanted(examples)
        temperature = self._recipe.temperature
        words, texts = tags.new_zeros(0), labels.new_zeros(0)
        if len(wanted_tags):
            words = divergence(tags[taught], wanted_tags[taught], self._groups, temperature=temperature)
        if len(labels):
            own = torch.arange(labels.shape[1], device=labels.device)
            texts = divergence(labels, wanted_labels, own, temperature=temperature)
        return words, texts

    def _batches(self, rng: random.Random) -> list[list[int]]:
        return by_area([example.window for example in self._soft], self._recipe.batch_tokens, rng)

    def _hard_batches(self, rng: random.Random) -> Iterator[TrainingBatch]:
        """As many as are asked for, in turn; none without labelled examples."""
        if not self._hard:
            return
        device, windows = self._groups.device, [example.window for example in self._hard]
        numbers = by_area(windows, self._recipe.batch_tokens, rng)
        for chosen in itertools.cycle(numbers):
            yield make_batch([self._hard[number] for number in chosen], device)


def _mean(parts: Sequence[Tensor]) -> float:
    joined = torch.cat([part.double() for part in parts]) if parts else torch.zeros(0)
    return float(joined.mean()) if len(joined) else float("nan")


def _optimizer(parts: nn.ModuleDict, recipe: DistilSettings) -> AdamW:
    layers = {name: name in ("tuned", "plain") for name in parts}  # the rest starts from little and is not decayed
    return adam(
        group
        for name, part in parts.items()
        for group in groups_of(
            part.parameters(),
            rate=recipe.encoder_rate if layers[name] else recipe.heads_rate,
            decay=recipe.weight_decay if layers[name] else 0.0,
        )
    )
