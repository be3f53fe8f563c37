"""Publishes epochs, one transaction each, on a thread of its own and under a deadline.

A producer that failed once is thrown away. Its successor has the same transactional id: initialising it fences the old
one and ends what that left open, one way or the other. Only then is the publisher `settled`, and only then do committed
offsets tell what became of an epoch; whoever rewinds must wait for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from kafka import KafkaProducer
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from workers.errors import ConfigurationError, DependencyError, EnrichError, PublishFailed
from workers.settings import KafkaSettings
from workers.transport.base import OutgoingRecord, Partition
from workers.transport.kafka_client import kafka_errors, kafka_partition
from workers.transport.kafka_clients import initialise_timeout_s, transactional_producer
from workers.transport.kafka_lane import Lane
from workers.transport.kafka_records import send

log = logging.getLogger(__name__)

RETRY_PAUSES_S = (0.0, 0.1, 0.3, 1.0, 2.0)  # between new producers; the last one repeats


@dataclass(frozen=True, slots=True)
class Publication:
    """One epoch's answers, and the proof under which its offsets may be committed."""

    records: Sequence[OutgoingRecord]
    next_offsets: Mapping[Partition, int]
    membership: ConsumerGroupMetadata
    done: Future[None] = field(default_factory=Future)


class KafkaPublisher:
    """Takes publications from one thread; ends each future with None or PublishFailed."""

    def __init__(
        self,
        settings: KafkaSettings,
        transactional_id: str,
        *,
        make_producer: Callable[..., KafkaProducer] = KafkaProducer,
    ) -> None:
        self._settings = settings
        self._transactional_id = transactional_id
        self._make_producer = make_producer
        self._jobs: SimpleQueue[Publication | None] = SimpleQueue()
        self._settled = threading.Event()
        self._closing = threading.Event()
        self._problem: EnrichError | None = None
        self._lane: Lane | None = None
        self._latest: Future[None] | None = None
        self._thread = threading.Thread(target=self._run, name="kafka-publisher", daemon=True)

    def start(self, *, timeout_s: float) -> None:
        """Returns with a producer ready. Raises ConfigurationError, or DependencyError past `timeout_s`."""
        self._thread.start()
        deadline_s = time.monotonic() + timeout_s
        while not self._settled.wait(0.05):
            if isinstance(self._problem, ConfigurationError):
                raise self._problem
            if time.monotonic() > deadline_s:
                raise DependencyError(
                    f"no transactional producer within {timeout_s:g} s: {self._problem or 'no answer'}"
                )

    @property
    def settled(self) -> bool:
        """Whether the fate of all that was published is known: nothing of it can become visible later on. Raises
        ConfigurationError if there is no hope of it."""
        if isinstance(self._problem, ConfigurationError):
            raise self._problem
        return self._settled.is_set() and (self._latest is None or self._latest.done())

    def publish(self, publication: Publication) -> None:
        self._latest = publication.done
        if self._settled.is_set() and not self._closing.is_set():
            self._jobs.put(publication)
        else:
            publication.done.set_exception(PublishFailed("there is no producer at the moment"))

    def close(self, *, timeout_s: float) -> None:
        """Waits for the publication under way; one still waiting behind it fails."""
        self._closing.set()
        self._jobs.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if (lane := self._lane) is not None:
            lane.throw_away()
        self._refuse_waiting()

    def _run(self) -> None:
        while not self._closing.is_set():
            if not self._settled.is_set():
                self._settle()
            elif (job := self._jobs.get()) is not None:
                self._carry_out(job)
        if self._lane is not None and self._settled.is_set():
            self._lane.close(timeout_s=2.0)

    def _settle(self) -> None:
        """Make producers until one is initialised; that ends whatever the last one left open."""
        attempt = 0
        while not self._closing.wait(RETRY_PAUSES_S[min(attempt, len(RETRY_PAUSES_S) - 1)]):
            attempt += 1
            try:
                with kafka_errors("making a transactional producer"):
                    self._initialise()
            except EnrichError as error:
                self._problem = error
                log.warning("no producer yet: %s", error)
                self._abandon()
            else:
                self._problem = None
                self._settled.set()
                return

    def _initialise(self) -> None:
        self._lane = Lane(self._new_producer)
        timeout_s = initialise_timeout_s(self._settings)
        self._lane.call(lambda producer: producer.init_transactions(), timeout_s=timeout_s)

    def _carry_out(self, job: Publication) -> None:
        assert self._lane is not None
        deadline_s = self._settings.publish_deadline_ms / 1000
        try:
            self._lane.call(lambda producer: transact(producer, job, timeout_s=deadline_s), timeout_s=deadline_s)
        except Exception as error:  # noqa: BLE001  boundary: whatever it was, the epoch's fate is open
            reason = f"no end within {deadline_s:g} s" if isinstance(error, TimeoutError) else f"{error}"
            self._settled.clear()  # before the future ends: who rewinds on it must find the publisher unsettled
            self._give_up_producer()
            self._refuse_waiting()
            job.done.set_exception(PublishFailed(f"the transaction did not commit: {reason or type(error).__name__}"))
        else:
            job.done.set_result(None)

    def _give_up_producer(self) -> None:
        self._abandon()

    def _abandon(self) -> None:
        if self._lane is not None:
            self._lane.throw_away()
            self._lane = None

    def _refuse_waiting(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if job is not None:
                job.done.set_exception(PublishFailed("the epoch ahead of it failed, or the publisher was closed"))

    def _new_producer(self) -> KafkaProducer:
        return transactional_producer(
            self._settings, self._transactional_id, role="producer", make_producer=self._make_producer
        )


def transact(producer: KafkaProducer, job: Publication, *, timeout_s: float) -> None:
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
        kafka_partition(partition): OffsetAndMetadata(offset, "", -1) for partition, offset in job.next_offsets.items()
    }
    producer.send_offsets_to_transaction(offsets, job.membership)  # 3  refused by the broker if the group moved on
    producer.commit_transaction()  # 4
