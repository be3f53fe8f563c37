"""Relations: from pairs that windows found to relations between the document's entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas import Entity, Relation, Span
from workers.stages.results import FoundEntity, RelationsResult
from workers.text.pieces import Window

CODE_VERSION = "1"

PairKey = tuple[str, str, str]  # head id, tail id, type


def merge_relations(
    entities: Sequence[Entity],
    windows: Sequence[Window],
    results: Sequence[RelationsResult],
    *,
    thresholds: Mapping[str, float],
    min_score: float | None,
) -> tuple[Relation, ...]:
    """The relations whose two ends are entities of the document, in reading order of their ends.

    A pair that two windows found counts once, with the better score and that window's evidence. A relation below its
    type's threshold (`min_score` instead, if given) is left out, and so is one whose end lost to an overlapping entity.
    """
    ids = {(entity.start, entity.end, entity.type): entity.id for entity in entities}
    order = {entity.id: position for position, entity in enumerate(entities)}
    best: dict[PairKey, Relation] = {}
    for window, result in zip(windows, results, strict=True):
        names = [ids.get((window.start + e.start, window.start + e.end, e.type)) for e in result.entities]
        for found in result.relations:
            head, tail = names[found.head], names[found.tail]
            limit = thresholds.get(found.type, 0.5) if min_score is None else min_score
            if head is None or tail is None or found.score < limit:
                continue
            key = (head, tail, found.type)
            if key not in best or best[key].score < found.score:
                evidence = _evidence(window, result.entities[found.head], result.entities[found.tail])
                best[key] = Relation(head=head, tail=tail, type=found.type, score=found.score, evidence=evidence)
    return tuple(sorted(best.values(), key=lambda r: (order[r.head], order[r.tail], r.type)))


def _evidence(window: Window, head: FoundEntity, tail: FoundEntity) -> Span:
    """From the start of the first sentence that holds an end of the pair to the end of the last one."""
    first, last = min(head.start, tail.start), max(head.end, tail.end)
    start = max((s for s, _ in window.sentences if s <= first), default=first)
    end = min((e for _, e in window.sentences if e >= last), default=last)
    return Span(start=window.start + start, end=window.start + end)
