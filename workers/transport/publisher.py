"""Publishes epochs, one transaction each, on a thread of its own and under a deadline. The client is a subclass's.

A producer that failed once is thrown away. Its successor has the same transactional id: initialising it fences the old
one and ends what that left open, one way or the other. Only then is the publisher `settled`, and only then do committed
offsets tell what became of an epoch; whoever rewinds must wait for it.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Generic

from workers.errors import ConfigurationError, DependencyError, EnrichError, PublishFailed
from workers.settings import KafkaSettings
from workers.transport.base import OutgoingRecord, Partition
from workers.transport.broker import NameTaken, errors_translated
from workers.transport.lane import Lane, ProducerT
from workers.transport.membership import MembershipT

log = logging.getLogger(__name__)

RETRY_PAUSES_S = (0.0, 0.1, 0.3, 1.0, 2.0)  # between new producers; the last one repeats


@dataclass(frozen=True)  # no slots: Publication[X](...) would then fail on Python 3.11
class Publication(Generic[MembershipT]):
    """One epoch's answers, and the proof under which its offsets may be committed."""

    records: Sequence[OutgoingRecord]
    next_offsets: Mapping[Partition, int]
    membership: MembershipT
    notes: Mapping[Partition, str] = field(default_factory=dict)  # texts to keep beside the offsets
    done: Future[None] = field(default_factory=Future)


def refused(reason: str) -> Future[None]:
    """What comes of an epoch that is not handed to a producer."""
    done: Future[None] = Future()
    done.set_exception(PublishFailed(f"the epoch is not published: {reason}"))
    return done


class EpochPublisher(ABC, Generic[ProducerT, MembershipT]):
    """Takes publications from one thread; ends each future with None, PublishFailed, or ConfigurationError if the
    brokers say that it will never work."""

    def __init__(self, settings: KafkaSettings, transactional_id: str, *, initialise_timeout_s: float) -> None:
        """`initialise_timeout_s` is for one producer, with its connection."""
        self._settings = settings
        self._transactional_id = transactional_id
        self._initialise_timeout_s = initialise_timeout_s
        self._jobs: SimpleQueue[Publication[MembershipT] | None] = SimpleQueue()
        self._settled = threading.Event()
        self._closing = threading.Event()
        self._problem: EnrichError | None = None
        self._lane: Lane[ProducerT] | None = None
        self._latest: Future[None] | None = None
        self._thread = threading.Thread(target=self._run, name="kafka-publisher", daemon=True)

    @abstractmethod
    def _new_lane(self) -> Lane[ProducerT]: ...

    @abstractmethod
    def _initialise(self, producer: ProducerT) -> None:
        """Fence every earlier producer of this transactional id. On the lane's thread."""

    @abstractmethod
    def _transact(self, producer: ProducerT, job: Publication[MembershipT], *, timeout_s: float) -> None:
        """1 begin, 2 send every record and see it acknowledged, 3 add the input offsets, 4 commit. Dying anywhere
        before 4 shows nothing. On the lane's thread."""

    @abstractmethod
    def _translated(self, error: Exception, operation: str) -> EnrichError: ...

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
    def has_producer(self) -> bool:
        """Whether there is one to publish with."""
        return self._settled.is_set()

    @property
    def settled(self) -> bool:
        """Whether the fate of all that was published is known: nothing of it can become visible later on. Raises
        ConfigurationError if there is no hope of it."""
        if isinstance(self._problem, ConfigurationError):
            raise self._problem
        return self._settled.is_set() and (self._latest is None or self._latest.done())

    def publish(self, publication: Publication[MembershipT]) -> None:
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
                with errors_translated(self._translated, "making a transactional producer"):
                    self._lane = self._new_lane()
                    self._lane.call(self._initialise, timeout_s=self._initialise_timeout_s)
            except EnrichError as error:
                self._problem = error
                log.warning("no producer yet: %s", error)
                self._abandon()
            else:
                self._problem = None
                self._settled.set()
                return

    def _carry_out(self, job: Publication[MembershipT]) -> None:
        assert self._lane is not None
        deadline_s = self._settings.publish_deadline_ms / 1000
        try:
            self._lane.call(lambda producer: self._transact(producer, job, timeout_s=deadline_s), timeout_s=deadline_s)
        except Exception as error:  # noqa: BLE001  boundary: whatever it was, the epoch's fate is open
            reason = f"no end within {deadline_s:g} s" if isinstance(error, TimeoutError) else f"{error}"
            self._settled.clear()  # before the future ends: who rewinds on it must find the publisher unsettled
            self._give_up_producer()
            self._refuse_waiting()
            failed = PublishFailed(f"the transaction did not commit: {reason or type(error).__name__}")
            job.done.set_exception(self._lasting(error) or failed)
        else:
            job.done.set_result(None)

    def _lasting(self, error: Exception) -> ConfigurationError | None:
        """What no new producer mends: to read and publish again would fail in the same way for ever. The newer member
        under our name may be ourselves, thrown out and back since the epoch was read; another's our consumer meets."""
        told = error if isinstance(error, EnrichError) else self._translated(error, "publishing")
        return told if isinstance(told, ConfigurationError) and not isinstance(told, NameTaken) else None

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
