"""Kafka as a transport: one consumer, owned by the worker's thread, and a publisher with a thread of its own.

Exactly once rests on three things kept here: an epoch carries the membership it was read under, nothing is published
that was read before a failure, and after a failure the committed offsets are read only once they are settled. Why the
client needs help with each: docs/decisions/0004-transactions-with-kafka-python.md.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import cast

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaTimeoutError
from kafka.structs import ConsumerGroupMetadata

from workers.errors import ConfigurationError, EnrichError, PublishFailed
from workers.settings import KafkaSettings
from workers.transport.base import Claim, Epoch, EpochLimits, OutgoingRecord
from workers.transport.kafka_admin import missing_topics
from workers.transport.kafka_backlog import Backlog
from workers.transport.kafka_client import connection_options, kafka_errors, open_client, transactional_id
from workers.transport.kafka_membership import (
    KafkaClaim,
    Tenures,
    is_member,
    is_settled_member,
    usable_membership,
)
from workers.transport.kafka_mending import HonestAssignor, forget_offset_fetches, keep_join
from workers.transport.kafka_publisher import KafkaPublisher, Publication
from workers.transport.kafka_records import RawRecord, incoming_record

log = logging.getLogger(__name__)

FETCH_BYTES = 16_777_216  # of one fetch; the client's 50 MiB would be most of a worker's memory
COMMITTED_TIMEOUT_MS = 2_000  # for one look at a committed offset; past it the next poll tries again


class KafkaTransport:
    """Implements Transport. The consumer is not thread-safe: every method belongs to the worker's thread."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        make_consumer: Callable[..., KafkaConsumer] = KafkaConsumer,
        make_producer: Callable[..., KafkaProducer] = KafkaProducer,
    ) -> None:
        self._settings = settings
        self._make_consumer = make_consumer
        self._publisher = KafkaPublisher(settings, transactional_id(settings), make_producer=make_producer)
        self._consumer: KafkaConsumer | None = None
        self._tenures = Tenures(self._assignment_changed)
        self._backlog = Backlog(self._tenures)
        self._first_offsets: dict[TopicPartition, int] = {}  # the first ever read here; see _seek_to_committed
        self._member_id: str | None = None
        self._paused = False
        self._rewinding = False
        self._reading = 0
        self._epochs = 0
        self._last_publication: Future[None] | None = None

    def start(self) -> None:
        settings = self._settings
        missing = missing_topics(settings, (settings.input_topic, settings.enriched_topic, settings.dead_topic))
        if missing:
            raise ConfigurationError(
                f"there is no topic {', '.join(missing)} at {settings.bootstrap_servers}: make it with "
                f"`kafka-topics.sh --bootstrap-server {settings.bootstrap_servers} --create --topic {missing[0]} "
                "--partitions 6`, or correct kafka.input_topic, kafka.enriched_topic, kafka.dead_topic"
            )
        self._publisher.start(timeout_s=settings.connect_timeout_ms / 1000)
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
            self._consumer.subscribe([settings.input_topic], listener=self._tenures)
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
            self._hold(consumer.poll(timeout_ms=wait_s * 1000, max_records=limits.max_records))
        membership = self._membership(consumer)
        if not self._still_the_same_member(membership) or not reading or self._rewinding:
            return None
        return self._next_epoch(limits, membership)

    def publish(self, epoch: Epoch, records: Sequence[OutgoingRecord]) -> Future[None]:
        claim = cast(KafkaClaim, epoch.claim)
        membership, refusal = usable_membership(claim, self._membership(self._connected()), self._tenures)
        if claim.reading != self._reading or not self._last_ended_well():
            membership, refusal = None, "it was read before a failure, or an epoch ahead of it did not end well"
        if membership is None:
            self._last_publication = refused = Future[None]()
            refused.set_exception(PublishFailed(f"the epoch is not published: {refusal}"))
            return refused
        publication = Publication(records, epoch.next_offsets, membership)
        self._last_publication = publication.done
        self._publisher.publish(publication)
        return publication.done

    def rewind(self) -> None:
        """Takes effect in a later `poll`, once nothing is being published and the publisher is settled; until then
        `poll` returns None. Committed offsets read earlier could be those from before a commit whose answer was lost:
        its records would be done twice."""
        self._reading += 1
        self._rewinding = True
        self._backlog.clear()

    def exhausted(self) -> bool:
        return False

    def close(self, *, timeout_s: float) -> None:
        """The publication under way may end first, as long as this is still a member."""
        deadline_s = time.monotonic() + timeout_s
        self._publisher.close(timeout_s=timeout_s)
        if self._consumer is not None:
            try:
                with kafka_errors("leaving the group"):
                    left_ms = max(500.0, (deadline_s - time.monotonic()) * 1000)
                    self._consumer.close(autocommit=False, timeout_ms=left_ms)
            except EnrichError as error:
                log.warning("the group will notice by itself: %s", error)
            self._consumer = None

    def _last_ended_well(self) -> bool:
        last = self._last_publication
        return last is None or (last.done() and last.exception() is None)

    def _fates_are_known(self) -> bool:
        return self._publisher.settled

    def _connected(self) -> KafkaConsumer:
        assert self._consumer is not None, "start comes first"
        return self._consumer

    def _membership(self, consumer: KafkaConsumer) -> ConsumerGroupMetadata:
        return consumer.group_metadata()

    def _hold(self, fetched: dict[TopicPartition, list[RawRecord]]) -> None:
        for source, raw in fetched.items():
            records = [incoming_record(record) for record in raw]
            self._first_offsets.setdefault(source, records[0].offset)
            self._backlog.add(source, records)

    def _still_the_same_member(self, membership: ConsumerGroupMetadata) -> bool:
        """False, with everything held given up, if the membership was lost since the last poll. The client tells its
        listener so only if it was not rejoining at that moment, and then keeps positions that are another's by now."""
        if is_member(membership):
            if self._member_id in (None, membership.member_id):
                self._member_id = membership.member_id
                return True
        elif self._member_id is None:
            return False  # not joined yet
        self._member_id = membership.member_id if is_member(membership) else None
        self._tenures.end_all()
        forget_offset_fetches(self._connected())
        self.rewind()
        return False

    def _next_epoch(self, limits: EpochLimits, membership: ConsumerGroupMetadata) -> Epoch | None:
        if not is_settled_member(membership) or (share := self._backlog.take(limits)) is None:
            return None
        claim = Claim(KafkaClaim(self._reading, membership, share.tenures))
        self._epochs += 1
        return Epoch(self._epochs - 1, share.records, share.next_offsets, claim)

    def _seek_to_committed(self, consumer: KafkaConsumer) -> None:
        """Stays `_rewinding` if an offset could not be had in time."""
        forget_offset_fetches(consumer)
        with kafka_errors("reading committed offsets"):
            for partition in sorted(consumer.assignment()):
                try:
                    offset = consumer.committed(partition, timeout_ms=COMMITTED_TIMEOUT_MS)
                except KafkaTimeoutError:
                    return
                if offset is None:  # nobody committed yet; `latest` would now skip what was read and not published
                    offset = self._first_offsets.get(partition)
                if offset is not None:
                    consumer.seek(partition, offset)
                elif self._settings.start_at == "earliest":
                    consumer.seek_to_beginning(partition)
                # else: nothing was read, so its position is still where it started
        self._backlog.clear()
        self._last_publication = None
        self._rewinding = False

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
