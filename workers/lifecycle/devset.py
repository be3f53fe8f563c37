"""Examples that are never learned from: which epoch was best, and how sure the heads may be (temperatures)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workers.lifecycle.batches import TrainingBatch, by_area, make_batch
from workers.lifecycle.examples import Example, ExampleMaker
from workers.lifecycle.gathering import Kept
from workers.lifecycle.labelspace import LabelSpace
from workers.lifecycle.score import Counts, compare
from workers.models.folder import LoadedModel
from workers.text.bio import spans_of

BATCH_TOKENS = 8_192
_TEMPERATURES = np.geomspace(0.3, 6.0, 121)
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DevScore:
    """Of one look at the dev examples."""

    entities: Counts
    relations: Counts  # of pairs of given entities, at probability one half

    @property
    def value(self) -> float:
        """What early stopping looks at: the mean of the F1 of what there is."""
        parts = [counts.f1 for counts in (self.entities, self.relations) if counts.wanted]
        return sum(parts) / max(1, len(parts))


@dataclass(frozen=True, slots=True)
class Logits:
    """What the heads say about the words and pairs of some examples, end to end."""

    tags: Tensor  # [W, tags]
    possible: Tensor  # [W, tags]
    rows: npt.NDArray[np.int64]  # [W] number of the window
    relations: Tensor  # [P, relation types]
    targets: Tensor  # [P, relation types]
    known: Tensor  # [P, relation types]


def dev_examples(model: LoadedModel, kept: Sequence[Kept], *, max_tokens: int) -> list[Example]:
    """Examples of all held-out texts, cut as the product cuts: as long as a window may be."""
    labels = LabelSpace.of(model.config)
    return [
        example
        for part in kept
        for maker in [ExampleMaker(model.tokenizer, "kept", labels, part.scheme, max_tokens=max_tokens)]
        for text in part.texts
        for example in maker.make(text, max_tokens)
    ]


@torch.inference_mode()
def read_logits(model: LoadedModel, examples: Sequence[Example]) -> Logits:
    device = model.encoder.words.weight.device
    seen, parts = 0, list[tuple[Tensor, ...]]()
    rows: list[npt.NDArray[np.int64]] = []
    for batch in _batches(examples, device):
        hidden = model.encoder.read_tuned(
            model.encoder.read_lower(batch.ids, batch.mask, batch.shapes), batch.mask, batch.shapes
        ).float()
        tags = model.heads.tag_logits(hidden[batch.word_rows, batch.word_firsts])
        relations = model.heads.relations(hidden, batch.pairs) if batch.pairs is not None else batch.targets.float()
        parts.append((tags, batch.possible, relations, batch.targets, batch.known))
        rows.append(batch.word_rows.cpu().numpy() + seen)
        seen += len(batch.ids)
    tags, possible, relations, targets, known = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
    return Logits(tags, possible, np.concatenate(rows), relations, targets, known)


def _batches(examples: Sequence[Example], device: torch.device) -> Iterator[TrainingBatch]:
    order = by_area([example.window for example in examples], BATCH_TOKENS, random.Random(0))  # noqa: S311
    return (make_batch([examples[number] for number in numbers], device) for numbers in order)


def score(logits: Logits) -> DevScore:
    """Strict spans, and pairs; what a data set leaves open is neither right nor wrong."""
    possible = logits.possible.numpy()
    starts = np.flatnonzero(np.diff(logits.rows, prepend=-1))
    taught = np.where(possible.sum(axis=1) == 1, possible.argmax(axis=1), 0)
    wanted = _spans(taught, starts)
    found = {
        span
        for span in _spans(logits.tags.argmax(dim=1).numpy(), starts)
        if span in wanted or not possible[span[0] : span[1], 1 + 2 * span[2] : 3 + 2 * span[2]].any(axis=1).all()
    }
    stated, targets, known = (t.numpy() for t in (logits.relations > 0, logits.targets, logits.known))
    pairs = Counts(int((stated & targets & known).sum()), int((stated & known).sum()), int((targets & known).sum()))
    return DevScore(compare(found, wanted), pairs)


def _spans(tags: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> set[tuple[int, int, int]]:
    spans = spans_of(tags, starts)
    return set(zip(spans.starts.tolist(), spans.ends.tolist(), spans.types.tolist(), strict=True))


def fit_temperatures(logits: Logits) -> tuple[float, float]:
    """Of tags and of relations: what logits are divided by so that probabilities are as often right as they say.

    The one with the best likelihood (Guo et al. 2017, On Calibration of Modern Neural Networks).
    """
    taught = ~logits.possible.all(dim=1)
    tags, possible = logits.tags[taught], logits.possible[taught]
    relations, targets = logits.relations[logits.known], logits.targets[logits.known].float()

    def tag_loss(temperature: float) -> float:
        log_odds = torch.log_softmax(tags / temperature, dim=1).masked_fill(~possible, -torch.inf)
        return float(-torch.logsumexp(log_odds, dim=1).mean())

    def relation_loss(temperature: float) -> float:
        return float(torch.nn.functional.binary_cross_entropy_with_logits(relations / temperature, targets))

    tag = min(_TEMPERATURES, key=tag_loss) if len(tags) else 1.0
    relation = min(_TEMPERATURES, key=relation_loss) if len(relations) else 1.0
    return round(float(tag), 3), round(float(relation), 3)
