"""Examples become batches of tensors, the same ones for the same seed; with noise that training wants, without it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workers.lifecycle.examples import Example
from workers.models.encoder import attention_mask
from workers.models.heads import PairBatch
from workers.models.pairs import Mentions, Pairs
from workers.models.prepared import PreparedWindow, collate
from workers.models.readout import pair_batch, place
from workers.models.shapes import WordShape

_CASED = torch.tensor(
    [shape in (WordShape.LOWER, WordShape.CAPITAL, WordShape.CAPS, WordShape.MIXED) for shape in WordShape]
)


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """One step's windows, all of one area."""

    ids: Tensor  # [B, T]
    mask: Tensor  # [B, 1, 1, T]
    shapes: Tensor  # [B, T]
    word_rows: Tensor  # [W]
    word_firsts: Tensor  # [W]
    possible: Tensor  # [W, tags]
    pairs: PairBatch | None
    targets: Tensor  # [P, relation types]
    known: Tensor  # [P, relation types]
    soft_tags: Tensor | None = None  # [W, tags] of teachers, see `SoftLabels`
    soft_relations: Tensor | None = None  # [P, relation types]
    believed: Tensor | None = None  # [P, relation types]
    open_tags: Tensor | None = None  # [W, tags]


def by_area(windows: Sequence[PreparedWindow], batch_tokens: int, rng: random.Random) -> list[list[int]]:
    """Numbers of windows in batches of equal area and at most `batch_tokens`, both orders shuffled."""
    groups: dict[int, list[int]] = {}
    for number, window in enumerate(windows):
        groups.setdefault(window.area, []).append(number)
    batches: list[list[int]] = []
    for area, numbers in groups.items():
        rng.shuffle(numbers)
        size = max(1, batch_tokens // area)
        batches += [numbers[start : start + size] for start in range(0, len(numbers), size)]
    rng.shuffle(batches)
    return batches


def make_batch(
    examples: Sequence[Example], device: torch.device, *, ids: Tensor | None = None, shapes: Tensor | None = None
) -> TrainingBatch:
    """One batch of examples of one area; `ids` and `shapes` replace the examples' own where noise was added."""
    collated = collate([example.window for example in examples])
    mentions, pairs = _joined(examples)
    soft = [example.soft for example in examples if example.soft is not None]
    taught = len(soft) == len(examples)
    return TrainingBatch(
        ids=place(collated.ids, device) if ids is None else ids.to(device),
        mask=attention_mask(place(collated.lengths, device), collated.ids.shape[1]),
        shapes=place(collated.shapes, device) if shapes is None else shapes.to(device),
        word_rows=place(collated.word_items, device),
        word_firsts=place(collated.word_firsts, device),
        possible=place(np.concatenate([example.possible for example in examples]), device),
        pairs=pair_batch(mentions, pairs, collated.rows, device) if len(pairs) else None,
        targets=place(np.concatenate([example.targets for example in examples]), device),
        known=place(np.concatenate([example.known for example in examples]), device),
        soft_tags=place(np.concatenate([one.tags for one in soft]), device) if taught else None,
        soft_relations=place(np.concatenate([one.relations for one in soft]), device) if taught else None,
        believed=place(np.concatenate([one.believed for one in soft]), device) if taught else None,
        open_tags=place(np.stack([one.open_tags for one in soft])[collated.word_items], device) if taught else None,
    )


def _joined(examples: Sequence[Example]) -> tuple[Mentions, Pairs]:
    counts = [len(example.mentions) for example in examples]
    before = np.concatenate([[0], np.cumsum(counts)])[:-1]
    mentions = Mentions(
        items=np.repeat(np.arange(len(examples)), counts),
        firsts=np.concatenate([example.mentions.firsts for example in examples]),
        lasts=np.concatenate([example.mentions.lasts for example in examples]),
        types=np.concatenate([example.mentions.types for example in examples]),
    )
    pairs = Pairs(
        heads=np.concatenate([example.pairs.heads + start for example, start in zip(examples, before, strict=True)]),
        tails=np.concatenate([example.pairs.tails + start for example, start in zip(examples, before, strict=True)]),
    )
    return mentions, pairs


def recased(shapes: Tensor, share: float, rng: random.Random) -> Tensor:
    """Some windows as if written in one case: half of them lower, half capitals. The trunk never sees case."""
    shapes = shapes.clone()
    for row in range(len(shapes)):
        if rng.random() < share:
            shape = rng.choice((WordShape.LOWER, WordShape.CAPS))
            shapes[row] = torch.where(_CASED[shapes[row]], int(shape), shapes[row])
    return shapes


def forgotten(ids: Tensor, lengths: Tensor, share: float, unknown_id: int, generator: torch.Generator) -> Tensor:
    """Some subwords as if they were not in the vocabulary, so that names are also told by what stands around them."""
    positions = torch.arange(ids.shape[1])
    inside = (positions > 0) & (positions < lengths[:, None] - 1)
    return torch.where(inside & (torch.rand(ids.shape, generator=generator) < share), unknown_id, ids)


@dataclass(frozen=True, slots=True)
class Noise:
    """What is done to a window before it is learned from."""

    recase: float  # part of windows shown in one case only
    forget: float  # part of subwords replaced by the unknown one
    unknown_id: int


def epoch_batches(
    examples: Sequence[Example], device: torch.device, *, batch_tokens: int, noise: Noise, rng: random.Random
) -> Iterator[TrainingBatch]:
    generator = torch.Generator().manual_seed(rng.getrandbits(32))
    for numbers in by_area([example.window for example in examples], batch_tokens, rng):
        chosen = [examples[number] for number in numbers]
        collated = collate([example.window for example in chosen])
        shapes = recased(torch.from_numpy(collated.shapes), noise.recase, rng)
        lengths = torch.from_numpy(collated.lengths)
        ids = forgotten(torch.from_numpy(collated.ids), lengths, noise.forget, noise.unknown_id, generator)
        yield make_batch(chosen, device, ids=ids, shapes=shapes)
