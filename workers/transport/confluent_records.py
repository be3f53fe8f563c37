"""Records to and from librdkafka's own shapes."""

from __future__ import annotations

import time
from typing import cast

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError, Message, Producer, TopicPartition

from workers.transport.base import Headers, IncomingRecord, OutgoingRecord, Partition

FULL_QUEUE_WAIT_S = 0.1  # for room in the producer's queue, then it is tried again


def partition_of(place: TopicPartition) -> Partition:
    return Partition(place.topic, place.partition)


def incoming_record(message: Message) -> IncomingRecord:
    """Of a message that is not an error."""
    kind, timestamp_ms = message.timestamp()
    headers = cast(list[tuple[str, bytes | None]], message.headers() or [])
    return IncomingRecord(
        Partition(cast(str, message.topic()), cast(int, message.partition())),
        cast(int, message.offset()),
        timestamp_ms if kind != TIMESTAMP_NOT_AVAILABLE and timestamp_ms >= 0 else None,
        message.key(),
        message.value(),
        tuple(headers),
    )


class Delivery:
    """Sends records and counts what came of them."""

    def __init__(self, producer: Producer, *, deadline_s: float) -> None:
        """`deadline_s` is of the monotonic clock."""
        self._producer = producer
        self._deadline_s = deadline_s
        self.refused: KafkaError | None = None  # the first one

    def send(self, record: OutgoingRecord) -> None:
        """Raises TimeoutError if the producer's queue has no room until the deadline."""
        headers: Headers | None = record.headers or None
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    headers=list(headers) if headers else None,
                    on_delivery=self._delivered,
                )
            except BufferError:
                if time.monotonic() > self._deadline_s:
                    raise TimeoutError("the producer's queue is full") from None
                self._producer.poll(FULL_QUEUE_WAIT_S)
            else:
                return

    def wait(self) -> None:
        """Until every record was acknowledged or refused. Raises TimeoutError past the deadline."""
        if self._producer.flush(max(0.0, self._deadline_s - time.monotonic())) > 0:
            raise TimeoutError("not every record was acknowledged")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self.refused is None:
            self.refused = error
