"""Records to and from the client's own shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kafka import KafkaProducer
from kafka.producer.future import FutureRecordMetadata
from kafka.serializer import Serializer

from workers.transport.base import IncomingRecord, OutgoingRecord, Partition

NO_VALUE = object()  # stands for None: the client refuses a record with neither key nor value


class NullableValues(Serializer):  # type: ignore[misc]  # the client has no types
    """Bytes as they are, and NO_VALUE as none."""

    def serialize(self, topic: str, headers: object, data: object) -> object:
        return None if data is NO_VALUE else data


class RawRecord(Protocol):
    """The fields of the client's ConsumerRecord that are read."""

    topic: str
    partition: int
    offset: int
    timestamp: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def incoming_record(raw: RawRecord) -> IncomingRecord:
    timestamp_ms = raw.timestamp if raw.timestamp is not None and raw.timestamp >= 0 else None
    return IncomingRecord(
        Partition(raw.topic, raw.partition), raw.offset, timestamp_ms, raw.key, raw.value, tuple(raw.headers)
    )


def send(producer: KafkaProducer, record: OutgoingRecord) -> FutureRecordMetadata:
    """Hand a record to a producer made with NullableValues. A header without value becomes an empty one: the client
    cannot write the former."""
    return producer.send(
        record.topic,
        key=record.key,
        value=NO_VALUE if record.value is None else record.value,
        headers=[(name, value or b"") for name, value in record.headers],
    )
