"""From which score on an entity or a relation of a type counts: the best F1 on held-out texts.

Bounds keep a threshold that was chosen on few examples from lying anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from schemas.base import StageName
from workers.lifecycle.answers import answer
from workers.lifecycle.data import Labelled
from workers.lifecycle.devset import Logits
from workers.lifecycle.examples import cut, excerpt_of
from workers.lifecycle.gathering import Kept
from workers.lifecycle.labelspace import Scheme
from workers.lifecycle.score import best_threshold
from workers.models.config import RelationType
from workers.models.shared import DEFAULT_SCORE, SharedEncoderModel
from workers.stages.results import EntitiesResult
from workers.text.pieces import Window

# With calibrated scores the best threshold for F1 is half of the best F1 (Lipton et al. 2014, Optimal Thresholding of
# Classifiers to Maximize F1 Measure), so never above one half.
LOWEST_ENTITY, HIGHEST_ENTITY = 0.3, 0.5
FEWEST_ENTITIES = 50  # labelled entities from which on a type has a threshold of its own
LOWEST_RELATION, HIGHEST_RELATION = 0.4, 0.9  # away from the texts they were learned from, relations are too sure
FEWEST_RELATIONS = 8  # right candidates


def choose_relation_thresholds(
    logits: Logits, types: Sequence[RelationType], *, temperature: float
) -> list[RelationType]:
    """The types with the thresholds that are best for given entities; rare types share one."""
    scores = torch.sigmoid(logits.relations / temperature).numpy()
    targets, known = logits.targets.numpy(), logits.known.numpy()
    shared, _ = best_threshold(scores[known].tolist(), targets[known].tolist())
    chosen = []
    for number, relation in enumerate(types):
        rows = known[:, number]
        right = targets[rows, number].tolist()
        own = best_threshold(scores[rows, number].tolist(), right)[0] if sum(right) >= FEWEST_RELATIONS else shared
        threshold = round(min(max(own, LOWEST_RELATION), HIGHEST_RELATION), 3)
        chosen.append(relation.model_copy(update={"threshold": threshold}))
    return chosen


def choose_entity_thresholds(model: SharedEncoderModel, kept: Sequence[Kept]) -> dict[str, float]:
    """One per type, through the product's own path; a type without enough examples keeps the default."""
    scores: dict[str, list[float]] = {name: [] for name in model.info.labels[StageName.ENTITIES]}
    right: dict[str, list[bool]] = {name: [] for name in scores}
    missed = dict.fromkeys(scores, 0)
    for part in kept:
        taught = part.scheme.tags.exhaustive
        excerpts = [piece for text in part.texts for piece in windows_of(model, text, part.scheme)] if taught else []
        for excerpt, found in zip(excerpts, answer(model, [piece.window for piece in excerpts]), strict=True):
            result = found[StageName.ENTITIES]
            assert isinstance(result, EntitiesResult)
            wanted = {place for place in excerpt.places if place[2] in taught}
            for entity in result.entities:
                if entity.type in taught:
                    place = (entity.start, entity.end, entity.type)
                    scores[entity.type].append(entity.score)
                    right[entity.type].append(place in wanted)
                    wanted.discard(place)
            for _, _, name in wanted:
                missed[name] += 1
    return {name: _threshold(scores[name], right[name], missed[name]) for name in scores}


def _threshold(scores: Sequence[float], right: Sequence[bool], missed: int) -> float:
    if sum(right) + missed < FEWEST_ENTITIES:
        return DEFAULT_SCORE
    return round(min(max(best_threshold(scores, right, missed=missed)[0], LOWEST_ENTITY), HIGHEST_ENTITY), 3)


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """A window of a labelled document, and its entities as start, end and the model's type."""

    window: Window
    places: frozenset[tuple[int, int, str]]


def windows_of(
    model: SharedEncoderModel, labelled: Labelled, scheme: Scheme, *, limit: int = 254
) -> list[LabelledWindow]:
    subwords = np.cumsum([0, *(len(tokens) for tokens in model.tokenize(labelled.tokens))])
    types: Mapping[str, str] = scheme.tags.types
    found = []
    for first, last in cut(labelled, lambda a, b: int(subwords[b] - subwords[a]), limit):
        excerpt = excerpt_of(labelled, first, last)
        places = {(start, end, types.get(mention.type, mention.type)) for start, end, mention, _ in excerpt.places}
        tokens = model.tokenize([excerpt.text])[0]
        window = Window(excerpt.text, 0, ((0, len(excerpt.text)),), tokens)
        found.append(LabelledWindow(window, frozenset(places)))
    return found
