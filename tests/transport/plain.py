"""The client as it comes, to hold against what the transport makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from tests.fakes.producers import FaultScript
from tests.transport.harness import wait_until
from workers.settings import KafkaSettings
from workers.transport.kafka_client import connection_options
from workers.transport.kafka_lane import force_close


@contextmanager
def plain_member(settings: KafkaSettings) -> Iterator[KafkaConsumer]:
    """A consumer of the group, joined."""
    consumer = KafkaConsumer(
        settings.input_topic,
        **connection_options(settings, role="plain"),
        group_id=settings.group_id,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )

    def joined() -> bool | None:
        consumer.poll(timeout_ms=200)
        return bool(consumer.assignment()) or None

    try:
        wait_until(joined, "an assignment")
        yield consumer
    finally:
        consumer.close(autocommit=False)


@contextmanager
def plain_producer(settings: KafkaSettings, script: FaultScript | None = None) -> Iterator[KafkaProducer]:
    """A transactional producer, initialised."""
    producer = (script or FaultScript()).make(
        **connection_options(settings, role="plain"), transactional_id=f"plain-{settings.group_id}", max_block_ms=5_000
    )
    try:
        producer.init_transactions()
        yield producer
    finally:
        force_close(producer)


def offset(number: int) -> OffsetAndMetadata:
    return OffsetAndMetadata(number, "", -1)


def commit_without_membership(settings: KafkaSettings, partition: TopicPartition, number: int) -> None:
    """What trap 3 lets through; also a quick way to be another owner."""
    with plain_producer(settings) as producer:
        producer.begin_transaction()
        producer.send_offsets_to_transaction({partition: offset(number)}, ConsumerGroupMetadata(settings.group_id))
        producer.commit_transaction()
