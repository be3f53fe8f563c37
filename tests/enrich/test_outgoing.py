"""Output records: topic, key, headers, size, and that a consumer with the schemas alone can read them."""

from __future__ import annotations

import base64
from dataclasses import replace

import orjson
import pytest

from schemas import DeadLetter, EnrichedDocument, FailedStep
from tests.fakes.pipelines import incoming, oracle_pipeline, payload
from workers.enrich.outcome import Enriched, Failed, Failure, Tombstone
from workers.enrich.outgoing import Outgoing
from workers.transport.base import HEADER_ROOM_BYTES, Headers, IncomingRecord, OutgoingRecord

OUTGOING = Outgoing("enriched", "dead", max_record_bytes=100_000, max_payload_bytes=50, worker="w1")
HEADERS = (("traceparent", b"00-ab-cd-01"), ("Content-Type", b"text/plain"), ("enrich-run", b"forged"), ("empty", None))
FAILURE = Failure(FailedStep.VALIDATE, "invalid_json", "not JSON: line 1 column 2")


def enriched(record: IncomingRecord) -> Enriched:
    with oracle_pipeline() as pipeline:
        [outcome] = pipeline.enrich([record])
    assert isinstance(outcome, Enriched)
    return outcome


def test_key_and_trace_headers_are_kept_and_ours_are_set() -> None:
    record = incoming(payload("Anna met Bert."), key=b"the key", headers=HEADERS[:1] + HEADERS[2:])
    out = OUTGOING.written(enriched(record)).record
    assert (out.topic, out.key) == ("enriched", b"the key")
    headers = dict(out.headers)
    assert headers["traceparent"] == b"00-ab-cd-01"
    assert headers["content-type"] == b"application/json"
    run = orjson.loads(headers["enrich-run"] or b"")
    assert (run["worker"], run["timestamp_ms"]) == ("w1", record.timestamp_ms)
    assert len(out.headers) == len(headers)  # the forged header is gone
    assert EnrichedDocument.model_validate_json(out.value or b"").id == "d"


def test_a_dead_letter_holds_reason_origin_and_bytes() -> None:
    record = incoming(b"\xff\x00{", key=b"\x01", offset=7, headers=HEADERS)
    out = OUTGOING.written(Failed(record, FAILURE)).record
    letter = DeadLetter.model_validate_json(out.value or b"")
    assert (out.topic, letter.code, letter.origin.offset) == ("dead", "invalid_json", 7)
    assert base64.b64decode(letter.payload.data or "") == record.value
    assert [(h.name, h.value and base64.b64decode(h.value)) for h in letter.headers] == list(HEADERS)


def test_bytes_above_the_limit_are_left_out_and_can_be_told_by_digest() -> None:
    letter = DeadLetter.model_validate_json(OUTGOING.written(Failed(incoming(b"x" * 51), FAILURE)).record.value or b"")
    assert (letter.payload.data, letter.payload.size_bytes) == (None, 51)
    whole = DeadLetter.model_validate_json(OUTGOING.written(Failed(incoming(b"x" * 50), FAILURE)).record.value or b"")
    assert whole.payload.data == "x" * 50
    assert whole.payload.sha256 != letter.payload.sha256


def test_a_tombstone_has_the_key_and_no_value() -> None:
    out = OUTGOING.written(Tombstone(incoming(None, key=b"gone"))).record
    assert (out.topic, out.key, out.value) == ("enriched", b"gone", None)


def test_a_record_too_large_goes_without_its_text_and_says_so() -> None:
    outcome = enriched(incoming(payload("Anna met Bert. " * 200)))
    size = len(OUTGOING.written(outcome).record.value or b"")
    out = replace(OUTGOING, max_record_bytes=size - 1).written(outcome).record
    record = EnrichedDocument.model_validate_json(out.value or b"")
    assert record.text is None
    assert [warning.code for warning in record.warnings][-1] == "text_left_out"
    assert record.entities == outcome.document.entities


def test_a_record_too_large_even_then_is_a_dead_letter() -> None:
    out = replace(OUTGOING, max_record_bytes=10).written(enriched(incoming(payload("Anna met Bert.")))).record
    letter = DeadLetter.model_validate_json(out.value or b"")
    assert (out.topic, letter.stage, letter.code) == ("dead", FailedStep.PUBLISH, "result_too_large")


@pytest.mark.parametrize(
    ("marks", "attempts"),
    [
        ((), 2),
        ((b"2",), 3),
        ((b"7", b"3"), 4),  # the last one counts
        ((b"0",), 2),
        ((b"-4",), 2),
        ((b"1e9",), 2),
        ((b"\xd9\xa2",), 2),
        ((b"9" * 5_000,), 2),  # Python refuses to read such a number
        ((None,), 2),
    ],
)
def test_attempts_go_on_where_a_replay_says_and_no_mark_is_believed_blindly(
    marks: tuple[bytes | None, ...], attempts: int
) -> None:
    record = incoming(b"{", headers=tuple(("Enrich-Attempt", mark) for mark in marks))
    letter = DeadLetter.model_validate_json(OUTGOING.dead(record, replace(FAILURE, attempts=2)).value or b"")
    assert letter.attempts == attempts


def size_of(out: OutgoingRecord) -> int:
    return (
        len(out.value or b"") + len(out.key or b"") + sum(len(name) + len(value or b"") for name, value in out.headers)
    )


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"\x00" * 60_000, ()),  # six characters each in JSON
        (b"x", (("big", b"h" * 80_000),)),  # once as a header, once in base64
        (b"\x00" * 60_000, tuple((f"h{number}", b"v" * 1_000) for number in range(90))),
    ],
)
def test_a_dead_letter_that_would_be_too_large_is_a_reference(value: bytes, headers: Headers) -> None:
    """Were it refused, the epoch would be read again for ever."""
    outgoing = replace(OUTGOING, max_payload_bytes=1_000_000)
    out = outgoing.written(Failed(incoming(value, key=b"the key", headers=headers), FAILURE)).record
    letter = DeadLetter.model_validate_json(out.value or b"")
    assert size_of(out) <= outgoing.max_record_bytes + HEADER_ROOM_BYTES
    assert (out.key, letter.origin.offset, letter.payload.size_bytes) == (b"the key", 0, len(value))
    assert letter.payload.data is None


def test_headers_count_when_a_record_is_measured() -> None:
    record = incoming(payload("Anna met Bert."), headers=(("big", b"h" * 120_000),))
    out = replace(OUTGOING, max_payload_bytes=1_000_000).written(enriched(record)).record
    assert DeadLetter.model_validate_json(out.value or b"").code == "result_too_large"
    assert size_of(out) <= OUTGOING.max_record_bytes + HEADER_ROOM_BYTES
