"""Results as bytes and back: small, exact, and never trusted. No pickle.

Layout: one byte for the stage, four for the length of a JSON array, the array, and for a summary its vectors. What does
not read as a result of the stage asked for is None: a miss, not an error. A summary of two values is a written one, one
of three values quotes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import numpy as np
import orjson

from schemas.base import StageName
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    FoundEntity,
    FoundRelation,
    RelationsResult,
    StageResult,
    SummaryResult,
    WrittenSummary,
)

HEADER = struct.Struct("<BI")
TAGS = {
    StageName.ENTITIES: 1,
    StageName.RELATIONS: 2,
    StageName.CLASSIFICATION: 3,
    StageName.SUMMARY: 4,
}


def encode_result(result: StageResult) -> bytes:
    """The bytes of a result; equal results are equal bytes."""
    match result:
        case EntitiesResult():
            return _pack(StageName.ENTITIES, [_entity_row(entity) for entity in result.entities])
        case RelationsResult():
            relations = [[found.type, found.head, found.tail, found.score] for found in result.relations]
            return _pack(StageName.RELATIONS, [[_entity_row(entity) for entity in result.entities], relations])
        case ClassificationResult():
            return _pack(StageName.CLASSIFICATION, [list(result.scores), result.weight])
        case SummaryResult():
            rows = [list(result.salience), list(result.tokens), list(result.vectors.shape)]
            return _pack(StageName.SUMMARY, rows, result.vectors.astype(np.int8).tobytes())
        case WrittenSummary():
            return _pack(StageName.SUMMARY, [result.text, result.finished])


def decode_result(stage: StageName, data: bytes) -> StageResult | None:
    """The result, or None if these are not the bytes of a result of this stage."""
    try:
        tag, length = HEADER.unpack_from(data)
        if tag != TAGS[stage]:
            return None
        end = HEADER.size + length
        if end > len(data):
            return None
        return _DECODERS[stage](orjson.loads(data[HEADER.size : end]), data[end:])
    except (struct.error, ValueError, TypeError):
        return None


def _pack(stage: StageName, rows: list[object], tail: bytes = b"") -> bytes:
    body = orjson.dumps(rows)
    return HEADER.pack(TAGS[stage], len(body)) + body + tail


def _entity_row(entity: FoundEntity) -> list[object]:
    return [entity.type, entity.start, entity.end, entity.score]


# Decoders raise ValueError or TypeError for anything that encode_result does not make.


def _entities(rows: object, tail: bytes) -> EntitiesResult:
    _no_more(tail)
    return EntitiesResult(tuple(map(_entity, _list(rows))))


def _relations(rows: object, tail: bytes) -> RelationsResult:
    _no_more(tail)
    entity_rows, relation_rows = _list(rows, 2)
    entities = tuple(map(_entity, _list(entity_rows)))
    return RelationsResult(entities, tuple(_relation(row, len(entities)) for row in _list(relation_rows)))


def _classification(rows: object, tail: bytes) -> ClassificationResult:
    _no_more(tail)
    scores, weight = _list(rows, 2)
    return ClassificationResult(tuple(map(_score, _list(scores))), _count(weight))


def _summary(rows: object, tail: bytes) -> SummaryResult | WrittenSummary:
    if len(_list(rows)) == 2:
        return _written(rows, tail)
    salience, tokens, shape = _list(rows, 3)
    count, width = map(_count, _list(shape, 2))
    if count * width != len(tail):
        raise ValueError("vectors of another size")
    vectors = np.frombuffer(tail, dtype=np.int8).reshape(count, width)
    return SummaryResult(tuple(map(_score, _list(salience, count))), vectors, tuple(map(_count, _list(tokens, count))))


def _written(rows: object, tail: bytes) -> WrittenSummary:
    _no_more(tail)
    text, finished = _list(rows, 2)
    if not isinstance(finished, bool):
        raise TypeError("not a yes or no")
    return WrittenSummary(_name(text), finished)


_DECODERS: dict[StageName, Callable[[object, bytes], StageResult]] = {
    StageName.ENTITIES: _entities,
    StageName.RELATIONS: _relations,
    StageName.CLASSIFICATION: _classification,
    StageName.SUMMARY: _summary,
}


def _entity(row: object) -> FoundEntity:
    kind, start, end, score = _list(row, 4)
    return FoundEntity(_name(kind), _count(start), _count(end), _score(score))


def _relation(row: object, entities: int) -> FoundRelation:
    kind, head, tail, score = _list(row, 4)
    if not (_count(head) < entities and _count(tail) < entities):
        raise ValueError("a relation of entities that are not there")
    return FoundRelation(_name(kind), _count(head), _count(tail), _score(score))


def _list(value: object, size: int | None = None) -> list[object]:
    if not isinstance(value, list) or (size is not None and len(value) != size):
        raise TypeError("not a list of this size")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a name")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("not a count")
    return value


def _score(value: object) -> float:
    if not isinstance(value, float) or not math.isfinite(value):
        raise TypeError("not a score")
    return value


def _no_more(tail: bytes) -> None:
    if tail:
        raise ValueError("more bytes than a result has")
