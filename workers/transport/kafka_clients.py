"""Clients made the same way in several places: the transactional producer, and the reader that belongs to no group."""

from __future__ import annotations

from collections.abc import Callable

from kafka import KafkaConsumer, KafkaProducer

from workers.settings import KafkaSettings
from workers.transport.broker import BATCH_BYTES, LINGER_MS, MAX_REQUEST_BYTES
from workers.transport.kafka_client import connection_options, open_client
from workers.transport.kafka_records import NullableValues

MAX_BLOCK_MS = 3_000  # init_transactions may meet the trap too: give up soon and try again with a new producer


def transactional_producer(
    settings: KafkaSettings,
    name: str,
    *,
    role: str,
    make_producer: Callable[..., KafkaProducer] = KafkaProducer,
) -> KafkaProducer:
    """A producer with the transactional id `name`, not initialised."""
    request_timeout_ms = min(settings.request_timeout_ms, settings.publish_deadline_ms)
    return open_client(
        make_producer,
        **connection_options(settings, role=role) | {"request_timeout_ms": request_timeout_ms},
        transactional_id=name,
        transaction_timeout_ms=settings.transaction_timeout_ms,
        delivery_timeout_ms=settings.publish_deadline_ms + LINGER_MS,
        max_block_ms=MAX_BLOCK_MS,
        acks="all",
        compression_type=None if settings.compression == "none" else settings.compression,
        batch_size=BATCH_BYTES,
        linger_ms=LINGER_MS,
        max_request_size=MAX_REQUEST_BYTES,
        value_serializer=NullableValues(),
        metrics_enabled=False,
    )


def initialise_timeout_s(settings: KafkaSettings) -> float:
    """How long `init_transactions` of such a producer may take, with its connection."""
    return (settings.connect_timeout_ms + 2 * MAX_BLOCK_MS) / 1000


def ungrouped_reader(settings: KafkaSettings) -> KafkaConsumer:
    """A consumer of committed records that joins no group and commits nothing."""
    return open_client(
        KafkaConsumer,
        **connection_options(settings, role="reader"),
        isolation_level="read_committed",
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
