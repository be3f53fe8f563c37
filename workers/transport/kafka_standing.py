"""What a kafka-python consumer knows already and its public calls would ask the broker for. Looks only."""

from __future__ import annotations

from kafka import KafkaConsumer, TopicPartition

from workers.transport.base import Partition
from workers.transport.marks import Place


def places_of(consumer: KafkaConsumer) -> dict[Partition, Place]:
    """Of every partition assigned. `consumer.position` may wait for the broker, so its source is looked at instead."""
    return {Partition(p.topic, p.partition): _place(consumer, p) for p in consumer.assignment()}


def _place(consumer: KafkaConsumer, partition: TopicPartition) -> Place:
    state = consumer._subscription.assignment.get(partition)
    if state is None:  # taken away since it was listed, on the client's thread
        return Place(None, None)
    position = state.position
    return Place(None if position is None else position.offset, state.highwater)


def coordinator_is_known(consumer: KafkaConsumer) -> bool:
    """False from a heartbeat without an answer until the group's coordinator was found again."""
    return consumer._coordinator.coordinator_id is not None
