"""A committed reader of whole topics, without a group: what a downstream consumer sees. For the demo and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from kafka import TopicPartition

from workers.settings import KafkaSettings
from workers.transport.base import IncomingRecord
from workers.transport.kafka_client import kafka_errors
from workers.transport.kafka_clients import ungrouped_reader
from workers.transport.kafka_records import incoming_record

Poll = Callable[[float], list[IncomingRecord]]  # seconds to wait -> records that were not returned before


@contextmanager
def committed_reader(settings: KafkaSettings, topics: Sequence[str]) -> Iterator[Poll]:
    """Reads `topics` from the beginning and goes on with what is committed later; order per partition is kept."""
    with kafka_errors("reading"):
        consumer = ungrouped_reader(settings)

    def poll(timeout_s: float) -> list[IncomingRecord]:
        with kafka_errors("reading"):
            fetched = consumer.poll(timeout_ms=timeout_s * 1000, max_records=5_000)
        return [incoming_record(record) for records in fetched.values() for record in records]

    try:
        with kafka_errors("reading"):
            partitions = [TopicPartition(t, number) for t in topics for number in consumer.partitions_for_topic(t)]
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
        yield poll  # outside of `kafka_errors`: what the caller raises is not Kafka's
    finally:
        consumer.close(autocommit=False)
