"""What a kafka-python consumer knows about its place in the group."""

from __future__ import annotations

from kafka import KafkaConsumer

from workers.transport.base import Partition
from workers.transport.kafka_client import kafka_errors


def positions_of(consumer: KafkaConsumer) -> dict[Partition, int | None]:
    """Of every partition assigned. `consumer.position` may wait for the broker, so its source is looked at instead."""
    states = dict(consumer._subscription.assignment)
    places = {partition: state.position for partition, state in states.items()}
    return {Partition(p.topic, p.partition): None if place is None else place.offset for p, place in places.items()}


def ends_of(consumer: KafkaConsumer, *, timeout_s: float) -> dict[Partition, int]:
    """Of every partition assigned, as the broker says. Changes no position."""
    with kafka_errors("looking at the ends"):
        found = consumer.end_offsets(sorted(consumer.assignment()), timeout_ms=timeout_s * 1000)
    return {Partition(partition.topic, partition.partition): end for partition, end in found.items()}


def coordinator_is_known(consumer: KafkaConsumer) -> bool:
    """False from a heartbeat without an answer until the group's coordinator was found again."""
    return consumer._coordinator.coordinator_id is not None
