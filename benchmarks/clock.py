"""A model whose pass is a clock: everything around it is the product's own, and the device takes the time it is told.

The texts are cut by the trunk's tokenizer and prepared like the default model's. The answers are made up, of ordinary
size, as the packaged model gives them for news: entities, relations, a score per label, a vector per sentence.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import cycle, repeat

import numpy as np

from schemas.base import StageName
from workers.models.base import ModelInfo
from workers.models.prepared import PreparedWindow, prepare_windows
from workers.models.store import find_trunk
from workers.models.tokenizer import SubwordTokenizer
from workers.settings import DEFAULT_LABELS
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    FoundEntity,
    FoundRelation,
    RelationsResult,
    SummaryResult,
    WindowAnswer,
)
from workers.text.pieces import TextTokens, Window

TYPES = ("PER", "ORG", "LOC")
EVERY = 11  # words for each entity, and
RELATED = 4  # entities for each relation: about what the packaged model finds in the corpora
WIDTH = 384  # of a sentence's vector


@cache
def trunk_tokenizer() -> SubwordTokenizer:
    return SubwordTokenizer(find_trunk().tokenizer)


@dataclass
class ClockModel:
    """Implements WindowModel. A pass of `n` padded tokens takes `pass_s + n / tokens_per_s` seconds, in which this
    process does nothing, as while a GPU works. The default takes no time: a model that does nothing."""

    tokens_per_s: float = math.inf
    pass_s: float = 0.0
    labels: tuple[str, ...] = tuple(DEFAULT_LABELS)
    sleep: Callable[[float], None] = time.sleep
    stages: tuple[StageName, ...] = tuple(StageName)
    max_window_tokens: int = 510
    tokenizer: SubwordTokenizer = field(default_factory=trunk_tokenizer)
    info: ModelInfo = field(init=False)

    def __post_init__(self) -> None:
        labels = {
            StageName.ENTITIES: TYPES,
            StageName.RELATIONS: ("beside",),
            StageName.CLASSIFICATION: self.labels,
        }
        self.info = ModelInfo("clock", "0" * 64, "fp32", frozenset(), labels=labels)

    def tokenize(self, texts: Sequence[str]) -> list[TextTokens]:
        return self.tokenizer.cut(texts)

    def prepare(self, windows: Sequence[Window]) -> list[PreparedWindow]:
        return prepare_windows(windows, start_id=self.tokenizer.start_id, end_id=self.tokenizer.end_id)

    def pass_takes_s(self, padded_tokens: int) -> float:
        return self.pass_s + padded_tokens / self.tokens_per_s

    def forward(self, batch: Sequence[PreparedWindow]) -> None:
        seconds = self.pass_takes_s(sum(item.area for item in batch))
        if seconds > 0:
            self.sleep(seconds)

    def decode(self, raw: None, batch: Sequence[PreparedWindow]) -> list[WindowAnswer]:
        return [self._answer(item) for item in batch]

    def _answer(self, item: PreparedWindow) -> WindowAnswer:
        starts, ends = (words[::EVERY].tolist() for words in (item.word_starts, item.word_ends))
        entities = tuple(map(FoundEntity, cycle(TYPES), starts, ends, repeat(0.9)))
        relations = tuple(FoundRelation("beside", n, n + 1, 0.9) for n in range(0, len(entities) - 1, RELATED))
        sentences = len(item.sentence_begins)
        vectors = np.full((sentences, WIDTH), 6, dtype=np.int8)
        lengths = tuple((item.sentence_ends - item.sentence_begins).tolist())
        scores = tuple(0.5 if number == 0 else 0.1 for number in range(len(self.labels)))
        whole: WindowAnswer = {
            StageName.ENTITIES: EntitiesResult(entities),
            StageName.RELATIONS: RelationsResult(entities, relations),
            StageName.CLASSIFICATION: ClassificationResult(scores, len(item.ids) - 2),
            StageName.SUMMARY: SummaryResult((0.5,) * sentences, vectors, lengths),
        }
        return {stage: whole[stage] for stage in self.stages}
