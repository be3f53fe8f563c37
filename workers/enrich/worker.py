"""The worker's loop: epochs in, outcomes out, in order, one transaction each.

One thread, the caller's, owns the transport. A few pipeline threads enrich epochs side by side, so that the device
always has windows from the next one. Back-pressure is a permit on epochs and bytes under way, taken before a record is
read, and one on tokens, taken before models are asked; while there is none the transport is still polled, so that a
slow model never costs the membership.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from workers.enrich.enricher import Enricher
from workers.enrich.observed import committed_epoch, load_of, traced_documents, with_contexts
from workers.enrich.outgoing import Outgoing
from workers.enrich.progress import Progress
from workers.enrich.under_way import UnderWay, ended_with, killer
from workers.errors import DependencyError, DeviceLost, PublishFailed, WorkStuck
from workers.settings import EpochSettings
from workers.telemetry.recorder import NullRecorder, Recorder
from workers.telemetry.steps import StepTimes
from workers.telemetry.traces import Tracing
from workers.transport.base import EpochLimits, OutgoingRecord, Transport

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 5.0  # between tries while a broker is not well
STANDING_S = 1.0  # between looks at where the worker stands
FIRST_RECORDS = 16  # of the first epoch, twice as many of each one after it: the device waits until one is read
MOST_THREADS = 1_024  # started as epochs need them, one each


@dataclass(slots=True)
class Worker:
    """Runs until it is told to stop, or the source has an end and it was reached."""

    transport: Transport
    enricher: Enricher
    outgoing: Outgoing  # for what ends without being enriched
    settings: EpochSettings
    on_progress: Callable[[Progress], None] = lambda progress: None
    on_turn: Callable[[], None] = lambda: None  # told that the loop goes on
    clock: Callable[[], float] = time.monotonic
    recorder: Recorder = field(default_factory=NullRecorder)
    tracing: Tracing | None = None
    progress: Progress = field(default_factory=Progress)
    _stop: Event = field(default_factory=Event)
    _under_way: deque[UnderWay] = field(default_factory=deque)
    _given_up: list[Future[Any]] = field(default_factory=list)  # work on epochs of earlier readings; may still go on
    _rehearsed: bool = False
    _pause_until_s: float = 0.0
    _failures_in_a_row: int = 0
    _must_rewind: bool = False
    _next_standing_s: float = 0.0
    _epochs_read: int = 0

    def stop(self) -> None:
        """Finish what was read and end. Safe in a signal handler and from other threads."""
        self._stop.set()

    def run(self) -> Progress:
        """Raises DeviceLost if nothing answers any more, ConfigurationError if the broker says this cannot work."""
        pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="pipeline")
        deadline_s: float | None = None
        try:
            self.transport.start()
            while not self.finished(deadline_s):
                if self._stop.is_set() and deadline_s is None:
                    deadline_s = self.clock() + self.settings.drain_s
                try:
                    self.turn(pool)
                except DeviceLost:
                    raise
                except DependencyError as error:
                    self.give_up_under_way(error)
            if not self._under_way:
                left_s = None if deadline_s is None else max(0.0, deadline_s - self.clock())
                wait([self.transport.farewell()], timeout=left_s)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            left_s = self.settings.drain_s if deadline_s is None else max(1.0, deadline_s - self.clock())
            self.transport.close(timeout_s=left_s)
        return self.progress

    def finished(self, deadline_s: float | None) -> bool:
        if deadline_s is not None:
            return not self._under_way or self.clock() > deadline_s
        return not self._under_way and not self._must_rewind and self.transport.exhausted()

    def turn(self, pool: ThreadPoolExecutor) -> None:
        """1 read an epoch if there is room, 2 hand it to the pipeline, 3 publish what is ready, in order."""
        self.tell_standing()  # first of all: a broker that is away must not look like a loop that hangs
        self.on_turn()
        if (overdue := self.enricher.overdue()) is not None:
            raise WorkStuck(f"{overdue}; batch.stuck_after_s says that it never will")
        if self._must_rewind:
            self.transport.rewind()
            self._must_rewind = False
        accept = self.has_room()
        idle = accept and not self._under_way
        limits = self.epoch_limits()
        epoch = self.transport.poll(limits, timeout_s=self.settings.poll_ms / 1000 if idle else 0.0, accept=accept)
        if epoch is not None:
            self._epochs_read += 1
            self._under_way.append(UnderWay(epoch, StepTimes(self.clock), read_s=self.clock()))
        begun = self.begin_in_order(pool)
        moved = self.publish_in_order() or begun
        if epoch is None and not moved:
            self.wait_for_head()

    def epoch_limits(self) -> EpochLimits:
        """Of the next epoch."""
        usual = self.settings.max_records
        records = min(usual, FIRST_RECORDS << min(self._epochs_read, 16))
        return EpochLimits(records, self.settings.max_bytes, self.most_under_way, later_records=usual)

    @property
    def most_under_way(self) -> int:
        """Epochs at a time, by how many processes enrich by now."""
        return self.settings.max_in_flight * self.enricher.processes

    def has_room(self) -> bool:
        under_way_bytes = sum(item.epoch.size_bytes for item in self._under_way)
        return (
            not self._stop.is_set()
            and self.clock() >= self._pause_until_s
            and len(self._under_way) < self.most_under_way
            and (not self._under_way or self._under_way[-1].epoch.suspect is None)
            and (not self._under_way or under_way_bytes + self.settings.max_bytes <= self.settings.max_in_flight_bytes)
        )

    def begin_in_order(self, pool: ThreadPoolExecutor) -> bool:
        """Hands the next epoch to the pipeline once the group knows of it; true if it did. A suspect waits until there
        is nothing beside it, and until the models have answered a text of our own: else they are the killers."""
        item = next((item for item in self._under_way if item.outcomes is None), None)
        if item is None:
            return False
        if (suspect := item.epoch.suspect) is not None:
            self._given_up = [future for future in self._given_up if not future.done()]
            if item is not self._under_way[0] or self._given_up:
                return False
            if suspect.deaths >= self.settings.max_deaths:
                item.outcomes = ended_with(self.outgoing.write([killer(one, suspect) for one in item.epoch.records]))
                return True
            if not self._rehearsed:
                item.rehearsed = item.rehearsed or pool.submit(self.enricher.rehearse)
                if not item.rehearsed.done():
                    return False
                item.rehearsed.result()
                self._rehearsed = True
        item.announced = item.announced or self.transport.announce(item.epoch)
        if not item.announced.done():
            return False
        item.announced.result()  # raises PublishFailed
        item.outcomes = pool.submit(self.enricher.enrich, item.epoch.records, item.steps)
        return True

    def publish_in_order(self) -> bool:
        """Moves the oldest epoch a step on; true if it did. Only that one may be in a transaction."""
        if not self._under_way:
            return False
        head = self._under_way[0]
        if head.outcomes is None:
            return False
        if head.published is None and head.outcomes.done():
            records = self.traced(head)
            head.sent_s = self.clock()
            head.published = self.transport.publish(head.epoch, records)
            return True
        if head.published is not None and head.published.done():
            head.published.result()  # raises PublishFailed
            self._under_way.popleft()
            self._failures_in_a_row = 0
            self.tell_committed(head)
            self.progress.count(head.written)
            self.on_progress(self.progress)
            return True
        return False

    def traced(self, head: UnderWay) -> list[OutgoingRecord]:
        """What is to be published: each record with the context of the span that made it, if there are traces."""
        records = [one.record for one in head.written]
        if self.tracing is None:
            return records
        documents = traced_documents(head.epoch, head.written)
        head.trace = self.tracing.epoch(
            documents, started_s=head.read_s, steps=head.steps.intervals(), now_s=self.clock()
        )
        return with_contexts(records, head.trace)

    def tell_committed(self, head: UnderWay) -> None:
        now_s = self.clock()
        if head.trace is not None:
            head.trace.end()
        head.steps.add("publish", now_s - head.sent_s)
        self._next_standing_s = now_s  # it has changed
        self.recorder.committed(
            committed_epoch(head.epoch, head.written, seconds=head.steps.seconds(), epoch_s=now_s - head.read_s)
        )

    def tell_standing(self) -> None:
        self.recorder.turned()
        now_s = self.clock()
        if now_s >= self._next_standing_s:
            self._next_standing_s = now_s + STANDING_S
            load = load_of(self.transport, self._under_way, self.enricher.state(), stopping=self._stop.is_set())
            self.recorder.standing(load)

    def wait_for_head(self) -> None:
        """Sleep until something may have changed, but never long enough to miss a poll."""
        poll_s = self.settings.poll_ms / 1000
        if self._under_way:
            # With room left new records may arrive at any moment: look again sooner. Not much: each look takes the
            # interpreter from the device's thread, which is at work.
            timeout_s = poll_s / 2 if self.has_room() else poll_s
            if (awaited := self._under_way[0].awaited) is not None:
                wait([awaited], timeout=timeout_s)
            else:
                self._stop.wait(timeout_s)
        elif not self.has_room():
            self._stop.wait(poll_s)

    def give_up_under_way(self, error: DependencyError) -> None:
        """Everything under way is read again, from the committed offsets; what was computed is in the cache."""
        self._failures_in_a_row += 1
        pause_s = 0.1 * 2 ** min(self._failures_in_a_row - 2, 10) if self._failures_in_a_row > 1 else 0.0
        self._pause_until_s = self.clock() + min(LONGEST_PAUSE_S, pause_s)
        self.progress.failed_epochs += isinstance(error, PublishFailed)
        log.warning("reading again from the committed offsets: %s", error)
        for item in self._under_way:
            if item.outcomes is not None and not item.outcomes.cancel():
                self._given_up.append(item.outcomes)
            if item.trace is not None:
                item.trace.end(problem=type(error).__name__)
        self._given_up = [future for future in self._given_up if not future.done()]
        self.recorder.aborted(len(self._under_way))
        self._under_way.clear()
        self._must_rewind = True
