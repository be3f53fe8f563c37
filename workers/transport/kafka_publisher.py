"""kafka-python's part of publishing epochs: its producer, and the transaction as it spells it."""

from __future__ import annotations

import time
from collections.abc import Callable

from kafka import KafkaProducer
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from workers.errors import EnrichError
from workers.settings import KafkaSettings
from workers.transport.kafka_client import kafka_partition, translated
from workers.transport.kafka_clients import initialise_timeout_s, transactional_producer
from workers.transport.kafka_lane import kafka_lane
from workers.transport.kafka_records import send
from workers.transport.lane import Lane
from workers.transport.publisher import EpochPublisher, Publication


class KafkaPublisher(EpochPublisher[KafkaProducer, ConsumerGroupMetadata]):
    """Implements EpochPublisher."""

    def __init__(
        self,
        settings: KafkaSettings,
        transactional_id: str,
        *,
        make_producer: Callable[..., KafkaProducer] = KafkaProducer,
    ) -> None:
        super().__init__(settings, transactional_id, initialise_timeout_s=initialise_timeout_s(settings))
        self._make_producer = make_producer

    def _new_lane(self) -> Lane[KafkaProducer]:
        return kafka_lane(self._new_producer)

    def _new_producer(self) -> KafkaProducer:
        return transactional_producer(
            self._settings, self._transactional_id, role="producer", make_producer=self._make_producer
        )

    def _initialise(self, producer: KafkaProducer) -> None:
        producer.init_transactions()

    def _transact(self, producer: KafkaProducer, job: Publication[ConsumerGroupMetadata], *, timeout_s: float) -> None:
        transact(producer, job, timeout_s=timeout_s)

    def _translated(self, error: Exception, operation: str) -> EnrichError:
        return translated(error, operation)


def transact(producer: KafkaProducer, job: Publication[ConsumerGroupMetadata], *, timeout_s: float) -> None:
    """1 begin, 2 send every record and see it acknowledged, 3 add the input offsets, 4 commit.

    Dying anywhere before 4 shows nothing.
    """
    deadline_s = time.monotonic() + timeout_s
    producer.begin_transaction()  # 1
    sent = [send(producer, record) for record in job.records]  # 2
    producer.flush(timeout=timeout_s)
    for future in sent:  # a send may fail without failing the transaction: then committing would lose the record
        future.get(timeout=max(0.0, deadline_s - time.monotonic()))
    offsets = {
        kafka_partition(partition): OffsetAndMetadata(offset, job.notes.get(partition, ""), -1)
        for partition, offset in job.next_offsets.items()
    }
    producer.send_offsets_to_transaction(offsets, job.membership)  # 3  refused by the broker if the group moved on
    producer.commit_transaction()  # 4
