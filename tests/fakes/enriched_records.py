"""Enriched records and dead letters as a worker publishes them, cheap to make and all different."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import orjson

from schemas import (
    Classification,
    DeadLetter,
    EnrichedDocument,
    Entity,
    FailedStep,
    Label,
    Language,
    OffsetUnit,
    Origin,
    Payload,
    Receipt,
    Relation,
    Span,
    StageName,
    Summary,
)
from workers.transport.base import Headers, OutgoingRecord

NAMES = ("Ada Lovelace", "Charles Babbage", "London", "Royal Society", "Paris", "Mary Somerville")
TYPES = ("PER", "PER", "LOC", "ORG", "LOC", "PER")
LABELS = ("science", "sport", "politics", "business")
RECEIPTS = tuple(
    Receipt(
        stage=stage, model="default", revision="ab" * 32, precision="fp32", settings="f" * 16, thresholds={}, code="1"
    )
    for stage in StageName
)


def enriched(
    number: int = 0,
    *,
    text: str | None = None,
    marked: Sequence[tuple[str, str]] = (),
    label: str = "science",
    score: float = 0.8,
    quoted: str = "",
    document_id: str | None = None,
) -> EnrichedDocument:
    """`marked` are (slice of the text, type): each is an entity where it first stands; the first two are related."""
    body = f"{NAMES[0]} met {NAMES[1]} in {NAMES[2]}. Note {number}." if text is None else text
    slices = marked or ([(NAMES[0], "PER"), (NAMES[1], "PER"), (NAMES[2], "LOC")] if text is None else ())
    entities = tuple(
        Entity(
            id=f"e{place}",
            type=kind,
            text=part,
            start=body.index(part),
            end=body.index(part) + len(part),
            score=score,
        )
        for place, (part, kind) in enumerate(slices, 1)
    )
    relation = Relation(head="e1", tail="e2", type="met", score=0.7, evidence=Span(start=0, end=len(body)))
    start = body.index(quoted) if quoted else 0
    quote = Span(start=start, end=start + len(quoted or body))
    return EnrichedDocument(
        id=document_id or f"note-{number}",
        text=body,
        title=None,
        timestamp=None,
        source=None,
        metadata={},
        origin=Origin(topic="documents", partition=0, offset=number),
        offset_unit=OffsetUnit.CODE_POINT,
        language=Language(code="en", score=1.0, given=False),
        entities=entities,
        relations=(relation,) if len(entities) > 1 else (),
        classification=Classification(
            labels=(Label(name=label, score=score),), abstained=False, candidates=(Label(name=label, score=score),)
        ),
        summary=Summary(text=body[quote.start : quote.end], kind="extractive", sentences=(quote,)),
        coverage={},
        receipts=RECEIPTS,
        warnings=(),
    )


def dead(number: int = 0, *, code: str = "invalid_json", detail: str = "not JSON", sent_ms: int = 0) -> DeadLetter:
    return DeadLetter(
        id=None,
        stage=FailedStep.VALIDATE,
        code=code,
        detail=detail,
        attempts=1,
        origin=Origin(topic="documents", partition=0, offset=number),
        timestamp_ms=sent_ms,
        key=None,
        headers=(),
        payload=Payload(encoding="utf-8", data="{", size_bytes=1, sha256="0" * 64),
    )


def run_header(*, sent_ms: int, hits: int = 1) -> Headers:
    run = {"timestamp_ms": sent_ms, "cache_hits": hits, "cache_lookups": 2, "seconds": {"segment": 0.01, "model": 0.2}}
    return (("enrich-run", orjson.dumps(run)),)


def stream(
    count: int, *, enriched_topic: str, dead_topic: str, sent_ms: int, seed: int = 1, labels: Sequence[str] = LABELS
) -> Iterator[OutgoingRecord]:
    """Records of a mixed kind, one in twenty a dead letter, as bytes; the same for the same seed."""
    rng = random.Random(seed)
    template = enriched().model_dump(mode="json")
    for number in range(count):
        key = b"%d" % number
        if number % 20 == 19:
            code = rng.choice(("invalid_json", "text_too_long"))
            yield OutgoingRecord(dead_topic, key, dead(number, code=code, sent_ms=sent_ms).model_dump_json().encode())
            continue
        place, label = rng.randrange(len(NAMES)), rng.choice(labels)
        name, score = NAMES[place], rng.uniform(0.5, 1)
        body = f"{name} wrote note {number}. " + "It was raining. " * rng.randrange(1, 12)
        entity = {"id": "e1", "type": TYPES[place], "text": name, "start": 0, "end": len(name), "score": score}
        scored = {"name": label, "score": rng.uniform(0.4, 1)}
        value = template | {
            "id": f"note-{number}",
            "text": body,
            "origin": {"topic": "documents", "partition": 0, "offset": number},
            "entities": [entity],
            "relations": [],
            "classification": {"labels": [scored], "abstained": False, "candidates": [scored]},
            "summary": None,
        }
        headers = run_header(sent_ms=sent_ms, hits=rng.randrange(3))
        yield OutgoingRecord(enriched_topic, key, orjson.dumps(value), headers)
