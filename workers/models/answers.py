"""What one pass of the default model found, and the answers read from it. Numpy alone: any thread may do it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    SummaryResult,
    WindowAnswer,
)

RELATION_FLOOR = 0.05  # probability; below it a relation is not even kept for a caller with a lower threshold
DECIMALS = 4


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
        return [self._answer(raw, row, item) for row, item in enumerate(batch)]

    def _answer(self, raw: RawAnswers, row: int, item: PreparedWindow) -> WindowAnswer:
        answer: dict[StageName, EntitiesResult | RelationsResult | ClassificationResult | SummaryResult] = {}
        found, lo = self._entities(raw, row, item)
        for stage in self.stages:
            if stage is StageName.ENTITIES:
                answer[stage] = EntitiesResult(found)
            elif stage is StageName.RELATIONS:
                answer[stage] = RelationsResult(found, self._relations(raw, row, lo))
            elif stage is StageName.CLASSIFICATION and raw.labels is not None:
                answer[stage] = ClassificationResult(_rounded(raw.labels[row]), len(item.ids) - 2)
            elif stage is StageName.SUMMARY and raw.sentences is not None:
                lo_s, hi_s = raw.batch.sentence_offsets[row : row + 2]
                answer[stage] = SummaryResult(
                    _rounded(raw.sentences.salience[lo_s:hi_s]),
                    raw.sentences.vectors[lo_s:hi_s],
                    tuple((item.sentence_ends - item.sentence_begins).tolist()),
                )
        return answer

    def _entities(self, raw: RawAnswers, row: int, item: PreparedWindow) -> tuple[tuple[FoundEntity, ...], int]:
        """The item's entities, and the number of the first one in the batch."""
        if raw.entities is None:
            return (), 0
        found = raw.entities
        lo, hi = np.searchsorted(found.mentions.items, (row, row + 1))
        first_word = raw.batch.word_offsets[row]
        starts = item.word_starts[found.spans.starts[lo:hi] - first_word].tolist()
        ends = item.word_ends[found.spans.ends[lo:hi] - 1 - first_word].tolist()
        types = found.spans.types[lo:hi].tolist()
        scores = _rounded(found.scores[lo:hi])
        return tuple(
            FoundEntity(self.config.entity_types[kind], start, _past_marks(item.text, end), score)
            for kind, start, end, score in zip(types, starts, ends, scores, strict=True)
        ), int(lo)

    def _relations(self, raw: RawAnswers, row: int, first: int) -> tuple[FoundRelation, ...]:
        if raw.entities is None or raw.relations is None:
            return ()
        pairs = raw.relations.pairs
        lo, hi = np.searchsorted(raw.entities.mentions.items[pairs.heads], (row, row + 1))
        scores = np.round(raw.relations.scores[lo:hi].astype(np.float64), DECIMALS)
        which, types = np.nonzero(scores >= RELATION_FLOOR)
        return tuple(
            FoundRelation(self.config.relation_types[kind].name, head - first, tail - first, score)
            for kind, head, tail, score in zip(
                types.tolist(),
                pairs.heads[lo:hi][which].tolist(),
                pairs.tails[lo:hi][which].tolist(),
                scores[which, types].tolist(),
                strict=True,
            )
        )


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(np.round(values.astype(np.float64), DECIMALS).tolist())


def _past_marks(text: str, end: int) -> int:
    """The tokenizer drops accents written as marks of their own; a span that ends before one would cut a letter."""
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return end
