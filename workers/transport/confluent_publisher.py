"""librdkafka's part of publishing epochs: its producer, and the transaction as it spells it.

Its calls keep to the time they are given, so a lane's thread always comes back; it is on a lane all the same, because
what is given up is thrown away in one way for both clients.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from confluent_kafka import KafkaException, Producer, TopicPartition

from workers.errors import EnrichError
from workers.settings import KafkaSettings
from workers.transport.confluent_client import (
    confluent_errors,
    told_fatal,
    transactional_options,
    translated,
    until_deadline,
)
from workers.transport.confluent_membership import ConfluentMembership
from workers.transport.confluent_records import Delivery
from workers.transport.lane import Lane
from workers.transport.publisher import EpochPublisher, Publication

log = logging.getLogger(__name__)

MakeProducer = Callable[[dict[str, object]], Producer]
COMING_BACK_S = 1.0  # what a call may take beyond its time


class ConfluentPublisher(EpochPublisher[Producer, ConfluentMembership]):
    """Implements EpochPublisher."""

    def __init__(
        self, settings: KafkaSettings, transactional_id: str, *, make_producer: MakeProducer = Producer
    ) -> None:
        self._initialise_s = settings.connect_timeout_ms / 1000
        super().__init__(settings, transactional_id, initialise_timeout_s=self._initialise_s + COMING_BACK_S)
        self._make_producer = make_producer

    def _new_lane(self) -> Lane[Producer]:
        return Lane(self._new_producer, close=close, force_close=force_close)

    def _new_producer(self) -> Producer:
        return self._make_producer(transactional_options(self._settings, self._transactional_id))

    def _initialise(self, producer: Producer) -> None:
        producer.init_transactions(self._initialise_s)

    def _transact(self, producer: Producer, job: Publication[ConfluentMembership], *, timeout_s: float) -> None:
        with confluent_errors("publishing"):
            transact(producer, job, timeout_s=timeout_s)

    def _translated(self, error: Exception, operation: str) -> EnrichError:
        return translated(error, operation)


def transact(producer: Producer, job: Publication[ConfluentMembership], *, timeout_s: float) -> None:
    """1 begin, 2 send every record and see it acknowledged, 3 add the input offsets, 4 commit.

    Dying anywhere before 4 shows nothing.
    """
    try:
        _transact(producer, job, timeout_s=timeout_s)
    except (KafkaException, SystemError) as error:
        if (fatal := told_fatal(producer)) is not None:
            raise fatal from error
        raise


def _transact(producer: Producer, job: Publication[ConfluentMembership], *, timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    producer.begin_transaction()  # 1
    delivery = Delivery(producer, deadline_s=deadline_s)  # 2
    for record in job.records:
        delivery.send(record)
    delivery.wait()
    if delivery.refused is not None:
        raise KafkaException(delivery.refused)
    offsets = [
        TopicPartition(place.topic, place.number, offset, job.notes.get(place, ""))
        for place, offset in job.next_offsets.items()
    ]
    until_deadline(  # 3  refused by the broker if the group moved on
        lambda left_s: producer.send_offsets_to_transaction(offsets, job.membership.proof, left_s), deadline_s
    )
    until_deadline(producer.commit_transaction, deadline_s)  # 4


def close(producer: Producer, timeout_s: float) -> None:
    """Nothing is under way in a healthy producer; the library closes it with the last reference."""
    producer.flush(timeout_s)


def force_close(producer: Producer) -> None:
    """Drop what waits to be sent, so that a call under way comes back. The library closes with the last reference, here
    or on the lane's thread."""
    try:
        producer.purge(blocking=False)
    except Exception as error:  # noqa: BLE001  boundary: a producer that is given up cannot harm any more
        log.debug("a producer that was given up did not close cleanly: %s", error)
