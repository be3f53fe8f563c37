"""From outcomes to output records: which topic, which bytes, which headers."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import orjson

from schemas import DeadLetter, FailedStep, HeaderValue, Origin, Payload, RecordWarning
from schemas.dead_letter import ATTEMPT_HEADER, MAX_ATTEMPT
from workers.enrich.outcome import Enriched, Failed, Failure, Outcome, RunReceipt, Written
from workers.transport.base import HEADER_ROOM_BYTES, Headers, IncomingRecord, OutgoingRecord

JSON = ("content-type", b"application/json")
TOO_LARGE = "result_too_large"
OURS = ("content-type", "enrich-")  # headers we set ourselves; everything else of the producer's is passed on


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Makes output records, none larger than the broker takes."""

    enriched_topic: str
    dead_topic: str
    max_record_bytes: int
    max_payload_bytes: int
    worker: str  # who did it, in the header `enrich-run`

    def write(self, outcomes: Sequence[Outcome]) -> list[Written]:
        """One per outcome, in order; one that cannot be written fails alone."""
        return [self.written_or_failed(outcome) for outcome in outcomes]

    def written_or_failed(self, outcome: Outcome) -> Written:
        try:
            return self.written(outcome)
        except Exception as error:  # noqa: BLE001  boundary of a record: its neighbours must not suffer
            failure = Failure(FailedStep.PUBLISH, "internal_error", type(error).__name__)
            return self.failed(Failed(outcome.record, failure))

    def written(self, outcome: Outcome) -> Written:
        if isinstance(outcome, Enriched):
            record = self.enriched(outcome)
            stages = tuple(receipt.stage for receipt in outcome.document.receipts)
            if isinstance(record, Failure):
                return replace(self.failed(Failed(outcome.record, record)), run=outcome.run, stages=stages)
            return Written(record, run=outcome.run, stages=stages)
        if isinstance(outcome, Failed):
            return self.failed(outcome)
        incoming = outcome.record
        return Written(OutgoingRecord(self.enriched_topic, incoming.key, None, passed_on(incoming.headers)))

    def failed(self, outcome: Failed) -> Written:
        failure = outcome.failure
        return Written(self.dead(outcome.record, failure), failure=(failure.step.value, failure.code))

    def enriched(self, outcome: Enriched) -> OutgoingRecord | Failure:
        """Too large with the text, it goes without and says so; too large even then, it has failed."""
        incoming, document = outcome.record, outcome.document
        run = ("enrich-run", run_receipt(outcome.run, self.worker, incoming.timestamp_ms))

        def record() -> OutgoingRecord:
            headers = (*passed_on(incoming.headers), JSON, run)
            return OutgoingRecord(self.enriched_topic, incoming.key, document.model_dump_json().encode(), headers)

        whole = record()
        if self.fits(whole):
            return whole
        detail = f"the record would exceed output.max_record_bytes={self.max_record_bytes} with its text"
        left_out = RecordWarning(code="text_left_out", detail=detail)
        document = document.model_copy(update={"text": None, "warnings": (*document.warnings, left_out)})
        if self.fits(smaller := record()):
            return smaller
        detail = f"{len(smaller.value or b'')} bytes exceed output.max_record_bytes={self.max_record_bytes}"
        return Failure(FailedStep.PUBLISH, TOO_LARGE, detail, document.id)

    def dead(self, incoming: IncomingRecord, failure: Failure) -> OutgoingRecord:
        """Too large with the record's bytes, it goes without; too large even then, key and headers are left out of it
        and the headers are not passed on. Digest and origin are always there: the record itself can be read again."""
        whole = DeadLetter(
            id=failure.document_id,
            stage=failure.step,
            code=failure.code,
            detail=failure.detail,
            attempts=attempts_before(incoming.headers) + failure.attempts,
            smallest_failing=failure.smallest_failing,
            origin=Origin(topic=incoming.partition.topic, partition=incoming.partition.number, offset=incoming.offset),
            timestamp_ms=incoming.timestamp_ms,
            key=_base64(incoming.key),
            headers=tuple(HeaderValue(name=name, value=_base64(value)) for name, value in incoming.headers),
            payload=payload_of(incoming.value or b"", self.max_payload_bytes),
        )
        without_bytes = whole.model_copy(update={"payload": whole.payload.model_copy(update={"data": None})})
        reference = without_bytes.model_copy(update={"key": None, "headers": ()})
        headers = (*passed_on(incoming.headers), JSON)
        for letter in (whole, without_bytes):
            record = OutgoingRecord(self.dead_topic, incoming.key, letter.model_dump_json().encode(), headers)
            if self.fits(record):
                return record
        return OutgoingRecord(self.dead_topic, incoming.key, reference.model_dump_json().encode(), (JSON,))

    def fits(self, record: OutgoingRecord) -> bool:
        """Whether the broker takes it: the start has checked that the topics take so much."""
        value_bytes = len(record.value or b"")
        other_bytes = len(record.key or b"") + sum(len(name) + len(value or b"") for name, value in record.headers)
        room_bytes = self.max_record_bytes + HEADER_ROOM_BYTES - value_bytes
        return value_bytes <= self.max_record_bytes and other_bytes <= room_bytes


def passed_on(headers: Headers) -> Headers:
    """The producer's headers, trace context among them, without those that we set."""
    return tuple((name, value) for name, value in headers if not name.lower().startswith(OURS))


def attempts_before(headers: Headers) -> int:
    """How often the document was tried before it was replayed as this record: 0 if it was not, or if the mark, which
    any producer may write, makes no sense."""
    marks = [value for name, value in headers if name.lower() == ATTEMPT_HEADER]
    if not marks or marks[-1] is None or not marks[-1].isdigit() or len(marks[-1]) > len(str(MAX_ATTEMPT)):
        return 0
    return max(0, int(marks[-1]) - 1)


def run_receipt(run: RunReceipt, worker: str, timestamp_ms: int | None) -> bytes:
    """The part of the receipts that differs from run to run, as JSON; seconds are those of the record's epoch, and
    `timestamp_ms` is the input record's, from which a reader tells how long the document took from end to end."""
    return orjson.dumps(
        {
            "worker": worker,
            "timestamp_ms": timestamp_ms,
            "segments": run.segments,
            "cache_lookups": run.cache_lookups,
            "cache_hits": run.cache_hits,
            "seconds": {step: round(seconds, 6) for step, seconds in run.seconds.items()},
        }
    )


def payload_of(value: bytes, limit_bytes: int) -> Payload:
    """The bytes as text if they are UTF-8, else in base64; left out above the limit."""
    size, digest = len(value), sha256(value).hexdigest()
    try:
        text, encoding = value.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(value).decode("ascii"), "base64"
    data = text if size <= limit_bytes else None
    return Payload(encoding="utf-8" if encoding == "utf-8" else "base64", data=data, size_bytes=size, sha256=digest)


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode("ascii")
