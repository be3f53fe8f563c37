"""Kafka clients that publish without transactions: at least once, as a plain loop does it. For benchmarks alone.

Given to the product's own transport in place of the client's: the records go through an idempotent producer and are
acknowledged by all replicas, and only then the offsets behind them are committed, by the consumer, without waiting. A
worker that dies between the two does its records twice; that is what is saved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from kafka import KafkaConsumer, KafkaProducer

from workers.settings import KafkaSettings
from workers.transport.kafka import KafkaTransport

TRANSACTIONAL = ("transactional_id", "transaction_timeout_ms")


@dataclass(slots=True)
class Acknowledged:
    """Offsets whose records are safe, on their way from the producer's thread to the consumer's."""

    offsets: deque[Mapping[object, object]] = field(default_factory=deque)

    def make_producer(self, **options: object) -> PlainProducer:
        return PlainProducer(self, **options)

    def make_consumer(self, **options: object) -> PlainConsumer:
        return PlainConsumer(self, **options)


class PlainProducer(KafkaProducer):  # type: ignore[misc]  # the client has no types
    """Idempotent. Beginning and committing a transaction is nothing to it."""

    def __init__(self, acknowledged: Acknowledged, **options: object) -> None:
        self._acknowledged = acknowledged
        kept = {name: value for name, value in options.items() if name not in TRANSACTIONAL}
        super().__init__(**kept, enable_idempotence=True)

    def init_transactions(self) -> None:
        pass

    def begin_transaction(self) -> None:
        pass

    def send_offsets_to_transaction(self, offsets: Mapping[object, object], group_metadata: object) -> None:
        """Called when every record is acknowledged."""
        self._acknowledged.offsets.append(offsets)

    def commit_transaction(self) -> None:
        pass


class PlainConsumer(KafkaConsumer):  # type: ignore[misc]
    """Commits what is acknowledged whenever it is polled, and when it is closed."""

    def __init__(self, acknowledged: Acknowledged, **options: object) -> None:
        self._acknowledged = acknowledged
        super().__init__(**options)

    def poll(self, *arguments: object, **options: object) -> object:
        while self._acknowledged.offsets:
            self.commit_async(self._acknowledged.offsets.popleft())
        return super().poll(*arguments, **options)

    def close(self, *arguments: object, **options: object) -> None:
        while self._acknowledged.offsets:
            self.commit(self._acknowledged.offsets.popleft())
        super().close(*arguments, **options)


def plain_transport(kafka: KafkaSettings) -> KafkaTransport:
    clients = Acknowledged()
    return KafkaTransport(kafka, make_consumer=clients.make_consumer, make_producer=clients.make_producer)
