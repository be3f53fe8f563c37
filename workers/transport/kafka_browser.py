"""Looks into topics without a group: where they begin and end, and what was committed in between.

Leaves no trace on the broker: writes nothing, commits no offset. Records of open or aborted transactions are not there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from kafka import KafkaConsumer, TopicPartition

from workers.errors import DependencyError
from workers.settings import KafkaSettings
from workers.transport.base import IncomingRecord, Partition
from workers.transport.kafka_client import connection_options, kafka_errors, kafka_partition, open_client
from workers.transport.kafka_records import incoming_record

PATIENCE_S = 30.0  # without a step forward; then the broker does not do its part
MAX_POLL_RECORDS = 500


class TopicBrowser:
    """One reading at a time: a new one ends the one before."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer

    def spans(self, topic: str) -> dict[Partition, range]:
        """The offsets from the first record to behind the last committed one, now. Empty if there is no such topic."""
        with kafka_errors(f"looking for the ends of {topic}"):
            numbers = sorted(self._consumer.partitions_for_topic(topic) or ())
            partitions = [TopicPartition(topic, number) for number in numbers]
            firsts = self._consumer.beginning_offsets(partitions)
            ends = self._consumer.end_offsets(partitions)  # of a committed reader: in front of open transactions
        return {Partition(p.topic, p.partition): range(firsts[p], ends[p]) for p in partitions}

    def read(self, spans: Mapping[Partition, range]) -> Iterator[IncomingRecord]:
        """The records with these offsets, partition by partition, in order. What is deleted meanwhile is left out."""
        for partition, span in spans.items():
            if span:
                yield from self._read(kafka_partition(partition), span)

    def record_at(self, partition: Partition, offset: int) -> IncomingRecord | None:
        """The one record at this offset, or None: deleted, compacted, never committed, or not written yet."""
        span = self.spans(partition.topic).get(partition, range(0))
        if offset not in span:
            return None
        found = next(self.read({partition: range(offset, span.stop)}), None)
        return found if found is not None and found.offset == offset else None

    def _read(self, partition: TopicPartition, span: range) -> Iterator[IncomingRecord]:
        with kafka_errors("reading"):
            self._consumer.assign([partition])
            self._consumer.seek(partition, span.start)
        last_at, last_s = span.start, time.monotonic()
        while (at := self._position(partition)) < span.stop:
            if at > last_at:
                last_at, last_s = at, time.monotonic()
            elif time.monotonic() - last_s > PATIENCE_S:
                where = f"{partition.topic}/{partition.partition}/{at}"
                raise DependencyError(f"reading: nothing came from {where} for {PATIENCE_S:g} s")
            with kafka_errors("reading"):
                fetched = self._consumer.poll(timeout_ms=200, max_records=MAX_POLL_RECORDS)
            for raw in fetched.get(partition, ()):
                if raw.offset >= span.stop:
                    return
                yield incoming_record(raw)

    def _position(self, partition: TopicPartition) -> int:
        with kafka_errors("reading"):
            return int(self._consumer.position(partition) or 0)


@contextmanager
def topic_browser(settings: KafkaSettings) -> Iterator[TopicBrowser]:
    with kafka_errors("reading"):
        consumer = open_client(
            KafkaConsumer,
            **connection_options(settings, role="browser"),
            isolation_level="read_committed",
            auto_offset_reset="earliest",  # where records are deleted under the reader, it goes on behind them
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )
    try:
        yield TopicBrowser(consumer)
    finally:
        consumer.close(autocommit=False)
