"""Entities: from what windows found to the entities of the document."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from pydantic import TypeAdapter

from schemas import Entity
from workers.stages.rescaling import Rescaling
from workers.stages.results import EntitiesResult
from workers.text.pieces import Window

CODE_VERSION = "2"
DEFAULT_SCORE = 0.5
ENTITIES = TypeAdapter(tuple[Entity, ...])  # one call for all of a document costs a fraction of one for each

Place = tuple[int, int, str]  # start and end in the document, type


def merge_entities(
    windows: Sequence[Window],
    results: Sequence[EntitiesResult],
    *,
    thresholds: Mapping[str, float],
    min_score: float | None,
    rescaling: Rescaling | None = None,
) -> tuple[Entity, ...]:
    """The entities of the document, by start, none overlapping, ids `e1`, `e2`, ...

    One below its type's threshold (`min_score` instead, if given; one half where neither says anything) is left out,
    and so is one that `rescaling` puts below a threshold of its own or below `min_score`.

    Text that two windows share is read twice: the same span and type counts once with the better score, and of spans
    that overlap the better-scored stays (then the longer, then the earlier). `Entity.text` is what the window says, so
    that comparing it with the document tells a window or an offset that is wrong.
    """
    scores: dict[Place, float] = {}
    texts: dict[Place, str] = {}
    for window, result in zip(windows, results, strict=True):
        at, text = window.start, window.text
        for found in result.entities:
            kind, start, end, score = found.type, found.start, found.end, found.score
            if score >= (thresholds.get(kind, DEFAULT_SCORE) if min_score is None else min_score):
                if rescaling is not None:
                    score = rescaling.score(score)
                    if score < rescaling.limit(kind, min_score):
                        continue
                place = (at + start, at + end, kind)
                if score >= scores.get(place, 0.0):
                    scores[place] = score
                texts[place] = text[start:end]
    kept = sorted(scores)
    if any(earlier[1] > later[0] for earlier, later in pairwise(kept)):  # rare, and the rest is for them alone
        kept = without_overlaps(sorted(kept, key=lambda place: (-scores[place], place[0] - place[1], place)))
    return ENTITIES.validate_python(
        [
            {
                "id": f"e{number}",
                "type": place[2],
                "text": texts[place],
                "start": place[0],
                "end": place[1],
                "score": scores[place],
            }
            for number, place in enumerate(kept, start=1)
        ]
    )


def without_overlaps(by_merit: Iterable[Place]) -> list[Place]:
    """Takes each place that overlaps none taken before it; returns them by start."""
    taken: list[Place] = []  # by start; since none overlap, by end as well
    for place in by_merit:
        at = bisect_left(taken, place)
        clear_before = at == 0 or taken[at - 1][1] <= place[0]
        clear_after = at == len(taken) or place[1] <= taken[at][0]
        if clear_before and clear_after:
            taken.insert(at, place)
    return taken
