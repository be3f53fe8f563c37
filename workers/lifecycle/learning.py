"""The training loop of the tuned layers and the heads on entities and relations. Reads no file, writes no file."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from workers.lifecycle.batches import Kept, TrainingBatch, epoch_batches
from workers.lifecycle.examples import Example
from workers.lifecycle.losses import entity_loss, relation_loss
from workers.lifecycle.recipe import TrainSettings
from workers.models.encoder import BranchedEncoder
from workers.models.folder import LoadedModel
from workers.models.heads import Heads


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is."""

    epoch: int
    step: int
    steps: int
    entity_loss: float  # means since the epoch began
    relation_loss: float
    seconds: float


def learn(
    model: LoadedModel,
    examples: Sequence[Example],
    recipe: TrainSettings,
    *,
    dtype: torch.dtype,
    report: Callable[[Progress], None],
) -> None:
    """Changes the model's tuned layers, word shapes and heads in place; the rest stays as it was."""
    started = time.monotonic()
    encoder, heads = model.encoder, model.heads
    encoder.requires_grad_(False)
    kept = Kept(encoder, examples, batch_tokens=8 * recipe.batch_tokens, dtype=dtype)
    encoder.tuned.requires_grad_(True)
    encoder.case.requires_grad_(True)
    rng = random.Random(recipe.seed)  # noqa: S311
    per_epoch = sum(1 for _ in _areas(examples, recipe))
    steps = per_epoch * recipe.epochs
    optimizer, schedule = _optimizer(encoder, heads, recipe, steps)
    step = 0
    for epoch in range(recipe.epochs):
        sums = [0.0, 0.0]
        batches = epoch_batches(examples, kept, batch_tokens=recipe.batch_tokens, recase=recipe.recase, rng=rng)
        for number, batch in enumerate(batches, start=1):
            entity, relation = losses(encoder, heads, batch, dropout=recipe.dropout, dtype=dtype)
            torch.autograd.backward(entity + recipe.relation_weight * relation)
            torch.nn.utils.clip_grad_norm_([*encoder.parameters(), *heads.parameters()], 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            sums[0] += entity.item()
            sums[1] += relation.item()
            seconds = time.monotonic() - started
            report(Progress(epoch, step, steps, sums[0] / number, sums[1] / number, seconds))


def losses(
    encoder: BranchedEncoder, heads: Heads, batch: TrainingBatch, *, dropout: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Entity and relation loss of a batch."""
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
        hidden = encoder.read_tuned(batch.lower, batch.mask, batch.shapes)
    hidden = F.dropout(hidden.float(), dropout)
    entity = entity_loss(heads.tag_logits(hidden[batch.word_rows, batch.word_firsts]), batch.possible)
    if batch.pairs is None:
        return entity, entity.new_zeros(())
    return entity, relation_loss(heads.relations(hidden, batch.pairs), batch.targets, batch.known)


def _areas(examples: Sequence[Example], recipe: TrainSettings) -> list[int]:
    """One entry per batch of an epoch."""
    counts: dict[int, int] = {}
    for example in examples:
        counts[example.window.area] = counts.get(example.window.area, 0) + 1
    return [area for area, count in counts.items() for _ in range(0, count, max(1, recipe.batch_tokens // area))]


def _optimizer(encoder: BranchedEncoder, heads: Heads, recipe: TrainSettings, steps: int) -> tuple[AdamW, LambdaLR]:
    """AdamW without decay for biases, norms and embeddings; rates rise, then fall to zero in a straight line."""
    tuned = list(encoder.tuned.parameters())
    trained_heads = [p for module in (heads.entities, heads.relations) for p in module.parameters()]
    groups = [
        {"params": [p for p in tuned if p.ndim > 1], "lr": recipe.encoder_rate, "weight_decay": recipe.weight_decay},
        {"params": [p for p in tuned if p.ndim == 1], "lr": recipe.encoder_rate, "weight_decay": 0.0},
        {"params": [encoder.case.weight, *trained_heads], "lr": recipe.heads_rate, "weight_decay": 0.0},
    ]
    warm = max(1, int(steps * recipe.warm_up))

    def rate(step: int) -> float:
        return min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))

    optimizer = AdamW(groups, fused=True)
    return optimizer, LambdaLR(optimizer, rate)
