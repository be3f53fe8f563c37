"""Reads texts exactly as the product does: the same windows, batches, thresholds and merging. Scores nothing.

Mirrors `workers.enrich.assemble` without records; the language is not detected, since a test set says what it is in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from schemas import Classification, Entity, Relation, Summary
from schemas.base import StageName
from workers.errors import ConfigurationError
from workers.lifecycle.answers import answer
from workers.lifecycle.labelspace import LabelSpace
from workers.models.folder import LoadedModel, open_model
from workers.models.shared import SharedEncoderModel
from workers.models.store import use_store
from workers.settings import Settings, WindowSettings
from workers.stages.classification import merge_classification, sureness
from workers.stages.entities import merge_entities
from workers.stages.relations import merge_relations
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    RelationsResult,
    StageResult,
    SummaryResult,
    WindowAnswer,
)
from workers.stages.summary import QUOTING, merge_summary
from workers.text.pieces import Window
from workers.text.sentences import split_sentences
from workers.text.windows import cut_windows

ResultT = TypeVar("ResultT", bound=StageResult)


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text, the windows it was read in, and what the model said about each."""

    text: str
    windows: tuple[Window, ...]
    answers: tuple[WindowAnswer, ...]

    def column(self, stage: StageName, kind: type[ResultT]) -> list[ResultT]:
        return [result for found in self.answers if isinstance(result := found[stage], kind)]


@dataclass(frozen=True, slots=True)
class Product:
    """A model under the settings that it would run with."""

    loaded: LoadedModel
    settings: Settings

    @property
    def labels(self) -> LabelSpace:
        return LabelSpace.of(self.loaded.config)

    @property
    def trained_labels(self) -> tuple[str, ...]:
        """Empty for a model that takes any labels."""
        shape = self.loaded.config.classifier
        return shape.labels if shape else ()

    def model(self, *stages: StageName, labels: Mapping[str, str] | None = None) -> SharedEncoderModel:
        """Raises ConfigurationError for a stage that the model was not made for."""
        config = self.loaded.config
        missing = [stage.value for stage in stages if stage not in config.stages]
        if missing:
            raise ConfigurationError(f"model {config.name} does no {missing[0]}: leave that data set out")
        return SharedEncoderModel(self.loaded, labels=labels or {}, stages=stages, settings=self.settings.model)

    def read(self, model: SharedEncoderModel, texts: Sequence[str]) -> list[ReadText]:
        """One entry per text, in order."""
        window = self.settings.window
        windows = windows_of(model, texts, window)
        answers = iter(answer(model, [window for cut in windows for window in cut]))
        return [
            ReadText(text, tuple(cut), tuple(next(answers) for _ in cut))
            for text, cut in zip(texts, windows, strict=True)
        ]

    def entities(self, read: ReadText) -> tuple[Entity, ...]:
        results = read.column(StageName.ENTITIES, EntitiesResult)
        thresholds = self.loaded.config.entity_thresholds
        minimum = self.settings.stages.entities.min_score
        return merge_entities(read.windows, results, thresholds=thresholds, min_score=minimum)

    def relations(
        self, entities: Sequence[Entity], windows: Sequence[Window], results: Sequence[RelationsResult]
    ) -> tuple[Relation, ...]:
        return merge_relations(
            entities,
            windows,
            results,
            thresholds={relation.name: relation.threshold for relation in self.loaded.config.relation_types},
            min_score=self.settings.stages.relations.min_score,
        )

    def classification(self, read: ReadText, labels: Sequence[str]) -> Classification | None:
        """None for a text without a token."""
        if not read.answers:
            return None
        wanted = self.settings.stages.classification
        return merge_classification(
            tuple(labels),
            read.column(StageName.CLASSIFICATION, ClassificationResult),
            temperature=self.loaded.config.temperature,
            min_score=wanted.min_score,
            multi_label=False,
        )

    def sureness(self, read: ReadText) -> float:
        """How sure the model is that one of its labels fits: what the product refuses a text by."""
        if not read.answers:
            return -np.inf
        results = read.column(StageName.CLASSIFICATION, ClassificationResult)
        shape = self.loaded.config.classifier
        logits = mean_logits(results, self.loaded.config.temperature)
        return float(sureness(logits[None], shape.refuse_by if shape else "probability")[0])

    def summary(self, read: ReadText, sentences: int) -> Summary | None:
        """None where there is nothing to quote. Short documents are summed up too: a test set wants an answer."""
        if not read.answers:
            return None
        results = read.column(StageName.SUMMARY, SummaryResult)
        quoting = self.loaded.config.quoting or QUOTING
        return merge_summary(read.text, read.windows, results, max_sentences=sentences, quoting=quoting)


def open_product(name: str, settings: Settings) -> Product:
    """Raises ConfigurationError for a model that cannot be opened."""
    use_store(settings.store)
    chosen = settings.model.model_copy(update={"name": name})
    return Product(open_model(chosen), settings.model_copy(update={"model": chosen}))


def mean_logits(results: Sequence[ClassificationResult], temperature: float) -> npt.NDArray[np.float64]:
    """[L] of a document, as `merge_classification` makes them: a window counts by its tokens."""
    raw = np.array([result.scores for result in results], dtype=np.float64)
    weights = np.array([max(result.weight, 1) for result in results], dtype=np.float64)
    mean: npt.NDArray[np.float64] = weights @ raw / weights.sum() / temperature
    return mean


def windows_of(model: SharedEncoderModel, texts: Sequence[str], window: WindowSettings) -> list[list[Window]]:
    limit = min(window.max_tokens, model.max_window_tokens)
    return [
        cut_windows(text, tokens, split_sentences(text), max_tokens=limit, overlap_tokens=window.overlap_tokens)
        for text, tokens in zip(texts, model.tokenize(texts), strict=True)
    ]
