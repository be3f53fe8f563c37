"""Counts what has become visible so far, while the workers work."""

from __future__ import annotations

from collections.abc import Sequence

from kafka import KafkaConsumer, TopicPartition

from workers.settings import KafkaSettings
from workers.transport.kafka_client import connection_options


class Tail:
    """A reader that sees what is committed, from the beginning."""

    def __init__(self, settings: KafkaSettings, topics: Sequence[str]) -> None:
        self._consumer = KafkaConsumer(
            **connection_options(settings, role="tail"),
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        numbers = {topic: self._consumer.partitions_for_topic(topic) for topic in topics}
        self._consumer.assign([TopicPartition(topic, number) for topic in topics for number in numbers[topic]])
        self._count = 0

    def count(self) -> int:
        """Waits a moment for more."""
        self._count += sum(map(len, self._consumer.poll(timeout_ms=300, max_records=5_000).values()))
        return self._count

    def close(self) -> None:
        self._consumer.close(autocommit=False)
