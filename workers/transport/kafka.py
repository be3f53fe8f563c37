"""Kafka through kafka-python: one consumer, owned by the worker's thread, and a publisher with a thread of its own.

The client needs help to stay exact; where and why: docs/decisions/0004-transactions-with-kafka-python.md.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaTimeoutError
from kafka.structs import ConsumerGroupMetadata

from workers.errors import EnrichError
from workers.settings import KafkaSettings
from workers.transport.base import Epoch, EpochLimits, Partition
from workers.transport.broker import COMMITTED_TIMEOUT_MS, FETCH_BYTES, transactional_id
from workers.transport.grouped import GroupTransport
from workers.transport.kafka_admin import missing_topics
from workers.transport.kafka_client import connection_options, kafka_errors, open_client
from workers.transport.kafka_leaving import leave_under_name
from workers.transport.kafka_membership import (
    KafkaClaim,
    ListeningTenures,
    is_settled_member,
    usable_kafka_membership,
)
from workers.transport.kafka_mending import HonestAssignor, forget_offset_fetches, keep_join
from workers.transport.kafka_publisher import KafkaPublisher
from workers.transport.kafka_records import RawRecord, incoming_record
from workers.transport.kafka_standing import coordinator_is_known, ends_of, positions_of
from workers.transport.marks import ENDS_TIMEOUT_S
from workers.transport.membership import is_member

log = logging.getLogger(__name__)


class KafkaTransport(GroupTransport[ConsumerGroupMetadata]):
    """Implements Transport. The consumer is not thread-safe: every method belongs to the worker's thread."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        make_consumer: Callable[..., KafkaConsumer] = KafkaConsumer,
        make_producer: Callable[..., KafkaProducer] = KafkaProducer,
    ) -> None:
        publisher = KafkaPublisher(settings, transactional_id(settings), make_producer=make_producer)
        self._listener = ListeningTenures(self._assignment_changed)
        super().__init__(settings, publisher, self._listener)
        self._make_consumer = make_consumer
        self._consumer: KafkaConsumer | None = None

    def _missing_topics(self, topics: Sequence[str]) -> tuple[str, ...]:
        return missing_topics(self._settings, topics)

    def _join(self) -> None:
        settings = self._settings
        with kafka_errors("connecting"):
            self._consumer = open_client(
                self._make_consumer,
                **connection_options(settings, role="consumer"),
                group_id=settings.group_id,
                group_instance_id=settings.group_instance_id,
                session_timeout_ms=settings.session_timeout_ms,
                heartbeat_interval_ms=settings.heartbeat_interval_ms,
                max_poll_interval_ms=settings.max_poll_interval_ms,
                auto_offset_reset=settings.start_at,
                enable_auto_commit=False,
                # Also for plain input: only so does a new owner wait for offsets that are just being committed.
                isolation_level="read_committed",
                partition_assignment_strategy=[HonestAssignor(self._owned)],
                allow_auto_create_topics=False,
                fetch_max_bytes=FETCH_BYTES,
                metrics_enabled=False,
            )
            self._consumer.subscribe([settings.input_topic], listener=self._listener)
            # Fetches metadata if there is none yet: a leader that assigns without it gives nobody anything.
            self._consumer.partitions_for_topic(settings.input_topic)

    def poll(self, limits: EpochLimits, *, timeout_s: float, accept: bool) -> Epoch | None:
        consumer = self._connected()
        if self._rewinding and self._fates_are_known():
            self._seek_to_committed(consumer)
        reading = accept and not self._rewinding
        self._set_paused(consumer, not reading or bool(self._backlog))
        wait_s = 0.0 if reading and self._backlog else timeout_s
        with kafka_errors("polling"):
            keep_join(consumer)
            fetched: dict[TopicPartition, list[RawRecord]] = consumer.poll(
                timeout_ms=wait_s * 1000, max_records=limits.max_records
            )
            self._hold([incoming_record(record) for records in fetched.values() for record in records])
        membership = self._membership(consumer)
        if not self._still_the_same_member(membership) or not reading or self._rewinding:
            return None
        return self._next_epoch(limits, membership)

    def close(self, *, timeout_s: float) -> None:
        """The publication under way may end first, as long as this is still a member."""
        deadline_s = time.monotonic() + timeout_s
        self._publisher.close(timeout_s=timeout_s)
        if self._consumer is not None:
            member_id = self._membership(self._consumer).member_id
            try:
                with kafka_errors("leaving the group"):
                    left_ms = max(500.0, (deadline_s - time.monotonic()) * 1000)
                    self._consumer.close(autocommit=False, timeout_ms=left_ms)
            except EnrichError as error:
                log.warning("the group will notice by itself: %s", error)
            self._consumer = None
            leave_under_name(self._settings, member_id, timeout_s=deadline_s - time.monotonic())

    def _connected(self) -> KafkaConsumer:
        assert self._consumer is not None, "start comes first"
        return self._consumer

    def _membership(self, consumer: KafkaConsumer) -> ConsumerGroupMetadata:
        return consumer.group_metadata()

    def _usable_membership(self, claim: KafkaClaim) -> tuple[ConsumerGroupMetadata | None, str]:
        return usable_kafka_membership(claim, self._membership(self._connected()), self._tenures)

    def _positions(self, consumer: KafkaConsumer) -> dict[Partition, int | None]:
        return positions_of(consumer)

    def _ask_ends(self, consumer: KafkaConsumer) -> dict[Partition, int]:
        return ends_of(consumer, timeout_s=ENDS_TIMEOUT_S)

    def _group_answers(self, consumer: KafkaConsumer) -> bool:
        return is_member(consumer.group_metadata()) and coordinator_is_known(consumer)

    def _membership_lost(self) -> None:
        """The client tells its listener so only if it was not rejoining at that moment, and then keeps positions that
        are another's by now."""
        super()._membership_lost()
        forget_offset_fetches(self._connected())

    def _next_epoch(self, limits: EpochLimits, membership: ConsumerGroupMetadata) -> Epoch | None:
        return self._cut_epoch(limits, membership) if is_settled_member(membership) else None

    def _seek_to_committed(self, consumer: KafkaConsumer) -> None:
        """Stays `_rewinding` if an offset could not be had in time."""
        forget_offset_fetches(consumer)
        with kafka_errors("reading committed offsets"):
            for partition in sorted(consumer.assignment()):
                try:
                    offset = consumer.committed(partition, timeout_ms=COMMITTED_TIMEOUT_MS)
                except KafkaTimeoutError:
                    return
                offset = self._restart_offset(Partition(partition.topic, partition.partition), offset)
                if offset is not None:
                    consumer.seek(partition, offset)
                elif self._settings.start_at == "earliest":
                    consumer.seek_to_beginning(partition)
                # else: nothing was read, so its position is still where it started
        self._rewound()

    def _owned(self) -> set[TopicPartition]:
        """Asked by the client when it joins. Without a membership nothing is owned, whatever is still assigned here."""
        consumer = self._connected()
        return consumer.assignment() if is_member(consumer.group_metadata()) else set()

    def _set_paused(self, consumer: KafkaConsumer, paused: bool) -> None:
        self._paused = paused
        assigned = consumer.assignment()
        if paused:
            consumer.pause(*assigned)
        else:
            consumer.resume(*assigned)

    def _assignment_changed(self, partitions: Iterable[TopicPartition]) -> None:
        """Inside the client's poll: what is new is paused as well, and offsets asked for earlier no longer count."""
        consumer = self._connected()
        forget_offset_fetches(consumer)
        if self._paused:
            consumer.pause(*(set(partitions) & consumer.assignment()))
