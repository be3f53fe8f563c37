"""Relations: from pairs that windows found to relations between the document's entities."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from operator import itemgetter

from pydantic import TypeAdapter

from schemas import Entity, Relation
from workers.stages.rescaling import Rescaling
from workers.stages.results import FoundEntity, RelationsResult
from workers.text.pieces import Window

CODE_VERSION = "2"
RELATIONS = TypeAdapter(tuple[Relation, ...])

PairKey = tuple[str, str, str]  # head id, tail id, type


def merge_relations(
    entities: Sequence[Entity],
    windows: Sequence[Window],
    results: Sequence[RelationsResult],
    *,
    thresholds: Mapping[str, float],
    min_score: float | None,
    rescaling: Rescaling | None = None,
) -> tuple[Relation, ...]:
    """The relations whose two ends are entities of the document, in reading order of their ends.

    A pair that two windows found counts once, with the better score and that window's evidence. A relation below its
    type's threshold (`min_score` instead, if given) is left out, and so is one whose end lost to an overlapping entity,
    and one that `rescaling` puts below a threshold of its own or below `min_score`.
    """
    ids = {(entity.start, entity.end, entity.type): entity.id for entity in entities}
    order = {entity.id: position for position, entity in enumerate(entities)}
    best: dict[PairKey, tuple[float, Window, FoundEntity, FoundEntity]] = {}
    for window, result in zip(windows, results, strict=True):
        at = window.start
        for found in result.relations:
            score = found.score
            if score < (thresholds.get(found.type, 0.5) if min_score is None else min_score):
                continue
            if rescaling is not None:
                score = rescaling.score(score)
                if score < rescaling.limit(found.type, min_score):
                    continue
            ends = one, other = result.entities[found.head], result.entities[found.tail]
            head, tail = (ids.get((at + end.start, at + end.end, end.type)) for end in ends)
            if head is None or tail is None:
                continue
            key = (head, tail, found.type)
            if key not in best or best[key][0] < score:
                best[key] = (score, window, one, other)
    return RELATIONS.validate_python(
        [
            {
                "head": key[0],
                "tail": key[1],
                "type": key[2],
                "score": best[key][0],
                "evidence": _evidence(*best[key][1:]),
            }
            for key in sorted(best, key=lambda key: (order[key[0]], order[key[1]], key[2]))
        ]
    )


def _evidence(window: Window, head: FoundEntity, tail: FoundEntity) -> dict[str, int]:
    """The span from the start of the first sentence that holds an end of the pair to the end of the last one."""
    first, last = min(head.start, tail.start), max(head.end, tail.end)
    before = bisect_right(window.sentences, first, key=itemgetter(0))  # sentences are in order and do not overlap
    behind = bisect_left(window.sentences, last, key=itemgetter(1))
    start = window.sentences[before - 1][0] if before else first
    end = window.sentences[behind][1] if behind < len(window.sentences) else last
    return {"start": window.start + start, "end": window.start + end}
