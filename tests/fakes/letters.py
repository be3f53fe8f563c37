"""Dead letters on a broker, made the way the worker makes them, and a look at what was sent back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from schemas import FailedStep
from workers.enrich.outcome import Failure
from workers.enrich.outgoing import Outgoing
from workers.settings import KafkaSettings
from workers.transport.base import Headers, IncomingRecord, OutgoingRecord
from workers.transport.kafka_admin import produce, read_all
from workers.transport.kafka_atomic import Write, only_writer

NOT_JSON = Failure(FailedStep.VALIDATE, "invalid_json", "not JSON: line 1 column 1")
TRACE: Headers = (("traceparent", b"00-ab-cd-01"), ("traceparent", b"twice"))


def outgoing(kafka: KafkaSettings, *, max_payload_bytes: int = 1_000) -> Outgoing:
    return Outgoing(kafka.enriched_topic, kafka.dead_topic, 1_000_000, max_payload_bytes, "w")


def send_documents(kafka: KafkaSettings, count: int, *, start: int = 0) -> list[IncomingRecord]:
    """Records that will fail, as the worker reads them, in the order they were sent."""
    values = [b"\xffnot JSON %d" % n for n in range(start, start + count)]
    produce(kafka, [OutgoingRecord(kafka.input_topic, b"k%d" % (n % 5), v, TRACE) for n, v in enumerate(values, start)])
    records = {record.value: record for record in read_all(kafka, [kafka.input_topic])}
    return [records[value] for value in values]


def dead_letter_each(
    kafka: KafkaSettings,
    records: Sequence[IncomingRecord],
    failure: Callable[[IncomingRecord], Failure] = lambda record: NOT_JSON,
    *,
    max_payload_bytes: int = 1_000,
) -> None:
    made = outgoing(kafka, max_payload_bytes=max_payload_bytes)
    produce(kafka, [made.dead(record, failure(record)) for record in records])


def sent_back(kafka: KafkaSettings) -> list[IncomingRecord]:
    """The records of the input topic that a replay wrote."""
    return [r for r in read_all(kafka, [kafka.input_topic]) if "enrich-replay" in dict(r.headers)]


def writer_with(make_producer: Callable[..., Any]) -> Callable[[KafkaSettings, str], AbstractContextManager[Write]]:
    return partial(only_writer, make_producer=make_producer)
