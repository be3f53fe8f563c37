"""From a record of an output topic to what it adds to a tally. Every record gives a fact, also one nobody can read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import orjson
from pydantic import ValidationError

from schemas import DeadLetter, EnrichedDocument, Expectation
from schemas.sentinel import SENTINEL_HEADER
from workers.insights.sentinels import answers_found
from workers.insights.tally import Fact

NONE = "(none)"
NAME_SEPARATOR = "\x1f"  # between an entity's type and its text; in no JSON string unless escaped, in no name
MAX_NAME = 120
MAX_LATENCY_S = 31 * 86_400.0  # what took longer is a wrong clock

Headers = Mapping[str, bytes | None]
Parsed = EnrichedDocument | DeadLetter | None  # None: a tombstone, or nothing that can be read

TOMBSTONE = Fact({"records": 1, "tombstones": 1})
UNREADABLE = Fact({"records": 1, "unreadable": 1})


def read_enriched(value: bytes | None, headers: Headers, published_s: float) -> tuple[Fact, Parsed]:
    """The fact and, if it can be read, the record. `published_s` is its Kafka timestamp."""
    if value is None:
        return TOMBSTONE, None
    try:
        document = EnrichedDocument.model_validate_json(value)
    except ValidationError:
        return UNREADABLE, None
    return enriched_fact(document, headers, published_s), document


def read_dead(value: bytes | None, published_s: float) -> tuple[Fact, Parsed]:
    try:
        letter = DeadLetter.model_validate_json(value or b"")
    except ValidationError:
        return UNREADABLE, None
    reason = f"{letter.stage.value}/{letter.code}"
    values = latency(published_s, letter.timestamp_ms)
    return Fact({"records": 1, "dead": 1}, {"reasons": {reason[:MAX_NAME]: 1}}, values), letter


def enriched_fact(document: EnrichedDocument, headers: Headers, published_s: float) -> Fact:
    """A sentinel counts as a document and for accuracy; the mixes are those of the documents that users sent."""
    run = run_of(headers)
    counts = {"records": 1, "enriched": 1}
    for name in ("cache_hits", "cache_lookups"):
        counts[name] = whole(run.get(name))
    values = latency(published_s, run.get("timestamp_ms"))
    seconds = run.get("seconds")
    if isinstance(seconds, dict):
        values |= {f"step {step}"[:MAX_NAME]: spent for step, spent in seconds.items() if finite(spent)}
    expected = Expectation.of_header(headers.get(SENTINEL_HEADER)) if SENTINEL_HEADER in headers else None
    if expected is not None:
        right = answers_found(expected, document)
        counts |= {"sentinels": 1, "sentinel_answers": expected.answers, "sentinel_right": right}
        return Fact(counts, {}, values)
    counts["characters"] = characters = len(document.text or "")
    counts["entities"], counts["relations"] = len(document.entities), len(document.relations)
    names = tuple(f"{e.type}{NAME_SEPARATOR}{e.text[:MAX_NAME]}" for e in document.entities)
    return Fact(counts, mixes_of(document, characters), values, names)


def mixes_of(document: EnrichedDocument, characters: int) -> dict[str, Mapping[str, int]]:
    classification = document.classification
    best = classification.labels[0] if classification is not None and classification.labels else None
    mixes: dict[str, Mapping[str, int]] = {
        "languages": {document.language.code: 1},
        "entity_types": Counter(entity.type for entity in document.entities),
        "relation_types": Counter(relation.type for relation in document.relations),
        "entity_confidence": Counter(tenth(entity.score) for entity in document.entities),
        "models": Counter({f"{r.model} {r.revision[:12]} {r.precision}" for r in document.receipts}),
        "warnings": Counter(warning.code for warning in document.warnings),
    }
    if classification is not None:
        mixes["labels"] = {best.name if best else NONE: 1}
        if classification.candidates:
            mixes["label_confidence"] = {tenth(classification.candidates[0].score): 1}
    if document.text is not None:
        mixes["lengths"] = {power_of_two(characters): 1}
        if characters:
            mixes["entity_density"] = {density(len(document.entities), characters): 1}
    return mixes


def tenth(score: float) -> str:
    """The bucket of a score: `0.0` to `0.9`."""
    return f"0.{min(9, int(score * 10))}"


def power_of_two(characters: int) -> str:
    """The bucket of a length: the largest power of two not above it."""
    return str(1 << (characters.bit_length() - 1)) if characters else "0"


def density(entities: int, characters: int) -> str:
    """The bucket of entities per 1,000 characters, to the next even number, 30 and more together."""
    return str(min(30, 2 * round(500 * entities / characters)))


def latency(published_s: float, sent_ms: object) -> dict[str, float]:
    """Seconds from the input record to the output record, by Kafka's timestamps; nothing if they make no sense."""
    if isinstance(sent_ms, bool) or not isinstance(sent_ms, int):
        return {}
    spent_s = published_s - sent_ms / 1_000
    return {"latency": max(0.0, spent_s)} if -60.0 < spent_s < MAX_LATENCY_S else {}


def run_of(headers: Headers) -> Mapping[str, object]:
    try:
        run = orjson.loads(headers.get("enrich-run") or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return run if isinstance(run, dict) else {}


def headers_of(pairs: Sequence[tuple[str, bytes | None]] | Headers | None) -> Headers:
    """Kafka's headers by name; of two of one name the last counts."""
    return dict(pairs.items() if isinstance(pairs, Mapping) else pairs or ())


def whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40 else 0


def finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
