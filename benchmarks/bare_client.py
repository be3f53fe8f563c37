"""The Kafka client and nothing else: records in, ready-made records out, in transactions of the same size.

What a worker costs beyond this is our own code's doing. A plain loop: no deadline, no thread of its own, no recovery.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from kafka import KafkaConsumer
from kafka.structs import OffsetAndMetadata

from workers.settings import KafkaSettings
from workers.transport.base import OutgoingRecord
from workers.transport.broker import FETCH_BYTES
from workers.transport.kafka_client import connection_options, open_client
from workers.transport.kafka_clients import transactional_producer
from workers.transport.kafka_records import send


@dataclass(frozen=True, slots=True)
class Cost:
    """Per document, milliseconds: of processor time of all threads of this process, and of the clock on the wall."""

    cpu_ms: float
    wall_ms: float


def run_bare(kafka: KafkaSettings, answers: Sequence[OutgoingRecord], *, documents: int, max_records: int) -> Cost:
    """Answers every record with the next of `answers`, until there were so many documents. A new group reads all."""
    consumer = open_client(
        KafkaConsumer,
        **connection_options(kafka, role="bare"),
        group_id=kafka.group_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_bytes=FETCH_BYTES,
        metrics_enabled=False,
    )
    producer = transactional_producer(kafka, f"bare-{kafka.group_id}", role="bare")
    try:
        producer.init_transactions()
        consumer.subscribe([kafka.input_topic])
        done, started_s, started_cpu_s = 0, 0.0, 0.0
        while done < documents:
            before_s, before_cpu_s = time.perf_counter(), time.process_time()
            fetched = consumer.poll(timeout_ms=50, max_records=max_records)
            if not fetched:
                continue
            if not done:
                started_s, started_cpu_s = before_s, before_cpu_s
            producer.begin_transaction()
            sent = []
            for records in fetched.values():
                for record in records:
                    answer = answers[done % len(answers)]
                    sent.append(send(producer, OutgoingRecord(answer.topic, record.key, answer.value, answer.headers)))
                    done += 1
            producer.flush()
            for future in sent:
                future.get(timeout=10.0)
            offsets = {p: OffsetAndMetadata(records[-1].offset + 1, "", -1) for p, records in fetched.items()}
            producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
            producer.commit_transaction()
        cpu_s, wall_s = time.process_time() - started_cpu_s, time.perf_counter() - started_s
        return Cost(1_000 * cpu_s / done, 1_000 * wall_s / done)
    finally:
        producer.close(timeout=10.0)
        consumer.close(autocommit=False)
