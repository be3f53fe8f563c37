"""What must hold for any payload: one outcome, and what it promises is true. Raises AssertionError if not."""

from __future__ import annotations

import json

from schemas import DeadLetter, Document
from workers.enrich.outcome import Failed, Failure
from workers.enrich.outgoing import Outgoing
from workers.enrich.validate import validate
from workers.settings import LimitSettings
from workers.transport.base import Headers, IncomingRecord, Partition

# Smaller than the defaults, so that payloads of a few kilobytes reach every limit.
LIMITS = LimitSettings(max_record_bytes=6_000, max_text_characters=1_000, max_json_depth=16, max_json_values=400)
OUTGOING = Outgoing("enriched", "dead", max_record_bytes=1_000_000, max_payload_bytes=2_000, worker="fuzz")
CODES = frozenset(
    {
        "record_too_large",
        "invalid_utf8",
        "invalid_json",
        "invalid_unicode",
        "invalid_number",
        "invalid_document",
        "duplicate_key",
        "json_too_deep",
        "json_too_large",
        "text_too_long",
        "empty_text",
    }
)


def outcome_of(value: bytes, headers: Headers = ()) -> str:
    """`document`, or the failure's code."""
    record = IncomingRecord(Partition("documents", 0), 0, None, b"key", value, headers)
    found = validate(record, LIMITS)
    if isinstance(found, Document):
        check_document(found, value, headers)
        return "document"
    assert isinstance(found, Failure), found
    assert found.code in CODES, found
    letter = OUTGOING.written(Failed(record, found)).record
    assert letter.topic == "dead"
    assert DeadLetter.model_validate_json(letter.value or b"").code == found.code
    return found.code


def check_document(document: Document, value: bytes, headers: Headers) -> None:
    assert 0 < len(document.text) <= LIMITS.max_text_characters
    assert len(value) <= LIMITS.max_record_bytes
    document.text.encode()  # no half of a surrogate pair came through
    if headers:
        assert document.text == value.decode()
        return
    plain = json.loads(value.decode().removeprefix("\ufeff"), parse_constant=refuse)
    assert (document.id, document.text, document.metadata) == (plain["id"], plain["text"], plain.get("metadata", {}))


def refuse(constant: str) -> float:
    raise AssertionError(f"{constant} came through")
