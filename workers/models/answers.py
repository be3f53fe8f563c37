"""What one pass of the default model found, and the answers read from it. Numpy alone: any thread may do it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from schemas.base import StageName
from workers.models.config import ModelConfig
from workers.models.prepared import Collated, PreparedWindow
from workers.models.readout import Floats, FoundPairs, FoundSentences, FoundSpans
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    FoundEntity,
    FoundRelation,
    RelationsResult,
    StageResult,
    SummaryResult,
    WindowAnswer,
)

RELATION_FLOOR = 0.05  # probability; below it a relation is not even kept for a caller with a lower threshold
DECIMALS = 4
SURELY_BELOW = RELATION_FLOOR - 10.0**-DECIMALS  # however it is rounded; most of all pairs are lower still

FoundT = TypeVar("FoundT")


@dataclass(frozen=True, slots=True)
class RawAnswers:
    """What one pass found, as plain arrays. None for what no stage asked for."""

    batch: Collated
    entities: FoundSpans | None
    relations: FoundPairs | None
    labels: Floats | None  # [B, labels] cosines, or logits of trained labels
    sentences: FoundSentences | None


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """Reads the answers of the windows of a pass, for these stages."""

    config: ModelConfig
    stages: tuple[StageName, ...]

    def answers(self, raw: RawAnswers, batch: Sequence[PreparedWindow]) -> list[WindowAnswer]:
        """One answer per item, with an entry for each of `stages`."""
        entities = self._entities(raw, batch)
        columns: dict[StageName, Iterable[StageResult]] = {}
        for stage in self.stages:
            if stage is StageName.ENTITIES:
                columns[stage] = map(EntitiesResult, entities)
            elif stage is StageName.RELATIONS:
                columns[stage] = map(RelationsResult, entities, self._relations(raw, len(batch)))
            elif stage is StageName.CLASSIFICATION and raw.labels is not None:
                lengths = [len(item.ids) - 2 for item in batch]
                columns[stage] = map(ClassificationResult, map(tuple, _rounded(raw.labels)), lengths)
            elif stage is StageName.SUMMARY and raw.sentences is not None:
                columns[stage] = _sentences(raw.batch, raw.sentences)
        return [dict(zip(columns, results, strict=True)) for results in zip(*columns.values(), strict=True)]

    def _entities(self, raw: RawAnswers, batch: Sequence[PreparedWindow]) -> list[tuple[FoundEntity, ...]]:
        """Of each item. All numbers of the batch become Python's in one go: they are many, and calls of numpy dear."""
        if raw.entities is None:
            return [()] * len(batch)
        spans, names = raw.entities.spans, self.config.entity_types
        items = raw.entities.mentions.items
        texts = [item.text for item in batch]
        starts = np.concatenate([item.word_starts for item in batch])[spans.starts].tolist()
        ends = np.concatenate([item.word_ends for item in batch])[spans.ends - 1].tolist()
        found = [
            FoundEntity(names[kind], start, _past_marks(texts[item], end), score)
            for item, kind, start, end, score in zip(
                items.tolist(), spans.types.tolist(), starts, ends, _rounded(raw.entities.scores), strict=True
            )
        ]
        return _by_item(found, items, len(batch))

    def _relations(self, raw: RawAnswers, count: int) -> list[tuple[FoundRelation, ...]]:
        """Of each item; their ends are numbers of its entities."""
        if raw.entities is None or raw.relations is None:
            return [()] * count
        names, pairs = [relation.name for relation in self.config.relation_types], raw.relations.pairs
        which, types = np.nonzero(raw.relations.scores >= SURELY_BELOW)
        scores = np.round(raw.relations.scores[which, types].astype(np.float64), DECIMALS)
        kept = scores >= RELATION_FLOOR
        which, types, scores = which[kept], types[kept], scores[kept]
        heads, tails = pairs.heads[which], pairs.tails[which]
        items = raw.entities.mentions.items
        firsts = np.searchsorted(items, items[heads])  # number of an item's first entity
        found = [
            FoundRelation(names[kind], head, tail, score)
            for kind, head, tail, score in zip(
                types.tolist(),
                (heads - firsts).tolist(),
                (tails - firsts).tolist(),
                scores.tolist(),
                strict=True,
            )
        ]
        return _by_item(found, items[heads], count)


def _by_item(found: Sequence[FoundT], items: npt.NDArray[np.int64], count: int) -> list[tuple[FoundT, ...]]:
    """What was `found`, in the order of the items it belongs to, [F], as one tuple for each of `count` items."""
    edges = np.searchsorted(items, np.arange(count + 1)).tolist()
    return [tuple(found[start:end]) for start, end in pairwise(edges)]


def _sentences(batch: Collated, sentences: FoundSentences) -> Iterator[SummaryResult]:
    salience = _rounded(sentences.salience)
    tokens = (batch.sentence_ends - batch.sentence_begins).tolist()
    for start, end in pairwise(batch.sentence_offsets.tolist()):
        yield SummaryResult(tuple(salience[start:end]), sentences.vectors[start:end], tuple(tokens[start:end]))


def _rounded(values: Floats) -> list[Any]:
    """As Python's numbers, nested as the array is."""
    return np.round(values.astype(np.float64), DECIMALS).tolist()  # type: ignore[no-any-return]


def _past_marks(text: str, end: int) -> int:
    """The tokenizer drops accents written as marks of their own; a span that ends before one would cut a letter."""
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return end
