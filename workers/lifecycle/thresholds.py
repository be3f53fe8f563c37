"""From which score on an entity of a type counts: the best F1 on held-out texts, through the product's own path."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.base import StageName
from workers.lifecycle.answers import answer
from workers.lifecycle.gathering import Kept
from workers.lifecycle.relations import parts_of
from workers.lifecycle.score import best_threshold
from workers.models.shared import SharedEncoderModel
from workers.stages.results import EntitiesResult

# Bounds: chosen on few examples a threshold may lie anywhere. With calibrated scores the best one for F1 is half of the
# best F1 (Lipton et al. 2014, Optimal Thresholding of Classifiers to Maximize F1 Measure), so never above one half.
LOWEST, HIGHEST = 0.3, 0.5
FEWEST = 50  # labelled entities from which on a type has a threshold of its own
DEFAULT = 0.5


def choose_entity_thresholds(model: SharedEncoderModel, kept: Sequence[Kept]) -> dict[str, float]:
    """One per type. Raises nothing: a type without enough examples keeps the default."""
    scores: dict[str, list[float]] = {name: [] for name in model.info.labels[StageName.ENTITIES]}
    right: dict[str, list[bool]] = {name: [] for name in scores}
    missed = dict.fromkeys(scores, 0)
    for part in kept:
        taught = part.scheme.tags.exhaustive
        parts = [window for text in part.texts for window in parts_of(model, text, part.scheme)] if taught else []
        for window, found in zip(parts, answer(model, [window.window for window in parts]), strict=True):
            result = found[StageName.ENTITIES]
            assert isinstance(result, EntitiesResult)
            wanted = {place for place in window.clusters if place[2] in taught}
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
    if sum(right) + missed < FEWEST:
        return DEFAULT
    return round(min(max(best_threshold(scores, right, missed=missed)[0], LOWEST), HIGHEST), 3)
