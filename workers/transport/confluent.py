"""Kafka through librdkafka (the extra `confluent`): one consumer, owned by the worker's thread, and a publisher.

The library keeps the membership, fetches ahead and tells of a rebalance inside `consume`. When to prefer it, and what
is done differently: docs/decisions/0009-two-kafka-clients.md.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Thread

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from workers.errors import ConfigurationError
from workers.settings import KafkaSettings
from workers.transport.base import Epoch, EpochLimits, IncomingRecord, Partition
from workers.transport.broker import COMMITTED_TIMEOUT_MS, transactional_id
from workers.transport.confluent_admin import group_members, missing_topics
from workers.transport.confluent_client import (
    Reports,
    confluent_errors,
    error_in,
    is_fatal,
    is_lasting,
    leave,
    member_options,
    translated,
)
from workers.transport.confluent_membership import ConfluentMembership, membership_of
from workers.transport.confluent_publisher import ConfluentPublisher, MakeProducer
from workers.transport.confluent_records import incoming_record, partition_of
from workers.transport.deliveries import Committed
from workers.transport.grouped import GroupTransport
from workers.transport.kafka_leaving import leave_under_name
from workers.transport.marks import ENDS_TIMEOUT_S
from workers.transport.membership import GroupClaim, Tenures, is_member, usable_membership

log = logging.getLogger(__name__)

HELD_EPOCHS = 4  # what is held before the partitions are paused: pausing throws away what was fetched ahead


class ConfluentTransport(GroupTransport[ConfluentMembership]):
    """Implements Transport. The library calls the rebalance callbacks on the worker's thread, inside `consume`."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        make_consumer: Callable[[dict[str, object]], Consumer] = Consumer,
        make_producer: MakeProducer = Producer,
    ) -> None:
        publisher = ConfluentPublisher(settings, transactional_id(settings), make_producer=make_producer)
        super().__init__(settings, publisher, Tenures())
        self._make_consumer = make_consumer
        self._consumer: Consumer | None = None
        self._reports = Reports()
        self._taken_away: set[Partition] = set()  # by callbacks inside the present `consume`

    def _missing_topics(self, topics: Sequence[str]) -> tuple[str, ...]:
        return missing_topics(self._settings, topics)

    def _join(self) -> None:
        with confluent_errors("connecting"):
            self._consumer = self._make_consumer(member_options(self._settings, self._reports))
            self._consumer.subscribe(
                [self._settings.input_topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )

    def poll(self, limits: EpochLimits, *, timeout_s: float, accept: bool) -> Epoch | None:
        consumer = self._connected()
        self._topics.check()
        if self._rewinding and self._fates_are_known():
            self._seek_to_committed(consumer)
        reading = accept and not self._rewinding
        self._set_paused(consumer, self._rewinding or self._holds_enough(limits))
        wait_s = 0.0 if reading and self._backlog else timeout_s
        wanted = limits.max_records - len(self._backlog) if reading else 1
        with confluent_errors("polling"):
            # The first is waited for, the others are taken if they are there: `consume` waits for all it is asked for.
            if self._take_in(consumer, 1, wait_s) and wanted > 1:
                self._take_in(consumer, wanted - 1, 0.0)
        if not reading or self._rewinding or not self._backlog:
            return None
        membership = self._membership(consumer)
        return self._cut_epoch(limits, membership) if self._still_the_same_member(membership) else None

    def close(self, *, timeout_s: float) -> None:
        """The publication under way may end first, as long as this is still a member."""
        deadline_s = time.monotonic() + timeout_s
        self._publisher.close(timeout_s=timeout_s)
        consumer, self._consumer = self._consumer, None
        if consumer is not None:  # the library's own close knows no time-out
            member_id = self._membership(consumer).member_id
            leaving = Thread(target=leave, args=(consumer,), name="kafka-leave", daemon=True)
            leaving.start()
            leaving.join(max(0.5, deadline_s - time.monotonic()))
            if leaving.is_alive():
                log.warning("the group will notice by itself: leaving it took longer than %g s", timeout_s)
                return
            leave_under_name(self._settings, member_id, timeout_s=deadline_s - time.monotonic())

    def _connected(self) -> Consumer:
        assert self._consumer is not None, "start comes first"
        return self._consumer

    def _membership(self, consumer: Consumer) -> ConfluentMembership:
        return membership_of(consumer)

    def _usable_membership(self, claim: GroupClaim[ConfluentMembership]) -> tuple[ConfluentMembership | None, str]:
        # The library joins again only after its callbacks took away what it must give up, so a newer generation always
        # goes with what is still assigned.
        return usable_membership(claim, self._membership(self._connected()), self._tenures, settled=is_member)

    def _positions(self, consumer: Consumer) -> dict[Partition, int | None]:
        with confluent_errors("looking at positions"):
            places = consumer.position(consumer.assignment())
        return {partition_of(place): place.offset if place.offset >= 0 else None for place in places}

    def _ask_ends(self, consumer: Consumer) -> dict[Partition, int]:
        """The library asks for each partition by itself; what it knows from fetching need not be asked."""
        deadline_s = time.monotonic() + ENDS_TIMEOUT_S
        ends = {}
        with confluent_errors("looking at the ends"):
            for place in consumer.assignment():
                known = None if self._paused else consumer.get_watermark_offsets(place, cached=True)
                if known is None or known[1] < 0:
                    left_s = max(0.01, deadline_s - time.monotonic())
                    known = consumer.get_watermark_offsets(place, timeout=left_s)
                ends[partition_of(place)] = known[1]
        return ends

    def _group_answers(self, consumer: Consumer) -> bool:
        """The library forgets its member id when the session times out without a heartbeat answered."""
        return bool(consumer.memberid())

    def _holds_enough(self, limits: EpochLimits) -> bool:
        """Once paused it stays so until less than an epoch is left."""
        epochs = 1 if self._paused else HELD_EPOCHS
        held, size_bytes = len(self._backlog), self._backlog.size_bytes
        return held >= epochs * limits.max_records or size_bytes >= epochs * limits.max_bytes

    def _take_in(self, consumer: Consumer, count: int, wait_s: float) -> int:
        """How many records came. What a rebalance took away while they were fetched is read again by its new owner."""
        self._taken_away.clear()
        records: list[IncomingRecord] = []
        errors: list[KafkaError] = []
        for message in consumer.consume(count, wait_s):
            if (error := message.error()) is None:
                records.append(incoming_record(message))
            else:
                errors.append(error)
        if self._reports.lasting is not None:  # tells more than the bare "fatal" that may come among the records
            errors.insert(0, self._reports.lasting)
        for error in errors:
            self._heed(error)
        if any(record.partition in self._taken_away for record in records):
            self.rewind()  # nobody can tell on which side of the rebalance they were read
            return 0
        self._hold(records)
        return len(records)

    def _heed(self, error: KafkaError) -> None:
        """Raises what the library will not mend by itself; then everything not published is read again."""
        if not is_lasting(error) and (error.retriable() or error.code() == KafkaError._MAX_POLL_EXCEEDED):
            log.warning("the client goes on after %s", error)
            return
        self.rewind()
        problem = translated(KafkaException(error), "polling")
        if is_fatal(error) and not isinstance(problem, ConfigurationError):
            problem = ConfigurationError(f"{problem}: the client cannot go on: start the worker again")
        raise problem

    def _seek_to_committed(self, consumer: Consumer) -> None:
        """Stays `_rewinding` if an offset could not be had in time."""
        places = self._look_at_committed(consumer, consumer.assignment())
        if places is None:
            return
        with confluent_errors("rewinding"):
            for place in places:
                self._seek(consumer, place)
        self._rewound()

    def _look_at_committed(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition] | None:
        """None if it could not be had in time."""
        with confluent_errors("reading committed offsets"):
            try:
                places = consumer.committed(partitions, COMMITTED_TIMEOUT_MS / 1000) if partitions else []
                for place in places:
                    if place.error is not None:
                        raise KafkaException(place.error)
            except KafkaException as error:
                if (told := error_in(error)) is not None and not is_lasting(told):
                    log.debug("no committed offsets yet: %s", told)
                    return None
                raise
        return places

    def _read_committed(self, partitions: Sequence[Partition]) -> dict[Partition, Committed | None] | None:
        wanted = [TopicPartition(partition.topic, partition.number) for partition in partitions]
        places = self._look_at_committed(self._connected(), wanted)
        if places is None:
            return None
        return {
            partition_of(place): Committed(place.offset, place.metadata or "") if place.offset >= 0 else None
            for place in places
        }

    def _living_members(self) -> frozenset[str]:
        return group_members(self._settings)

    def _seek(self, consumer: Consumer, place: TopicPartition) -> None:
        offset = self._restart_offset(partition_of(place), place.offset if place.offset >= 0 else None)
        if offset is not None:
            consumer.seek(TopicPartition(place.topic, place.partition, offset))
        elif self._settings.start_at == "earliest":
            consumer.seek(TopicPartition(place.topic, place.partition, OFFSET_BEGINNING))
        # else: nothing was read, so its position is still where it started

    def _set_paused(self, consumer: Consumer, paused: bool) -> None:
        if paused == self._paused:
            return
        self._paused = paused
        with confluent_errors("pausing"):
            self._apply_pause(consumer, consumer.assignment())

    def _apply_pause(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._paused:
            consumer.pause(partitions)
        else:
            consumer.resume(partitions)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._tenures.count(map(partition_of, partitions))
        consumer.incremental_assign(partitions)
        self._apply_pause(consumer, partitions)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Also what was lost. The library gives them up after this."""
        gone = [partition_of(partition) for partition in partitions]
        self._tenures.count(gone)
        self._taken_away.update(gone)
