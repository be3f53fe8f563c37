"""The worker's loop: epochs in, outcomes out, in order, one transaction each.

One thread, the caller's, owns the transport. A few pipeline threads enrich epochs side by side, so that the device
always has windows from the next one. Back-pressure is a permit on epochs and bytes under way, taken before a record is
read; while there is none the transport is still polled, so that a slow model never costs the membership.
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

from workers.enrich.observed import committed_epoch, load_of, traced_documents, with_contexts
from workers.enrich.outcome import Enriched, Failed, Outcome
from workers.enrich.outgoing import Outgoing
from workers.enrich.pipeline import Pipeline
from workers.errors import DependencyError, DeviceLost, PublishFailed
from workers.settings import EpochSettings
from workers.telemetry.recorder import NullRecorder, Recorder
from workers.telemetry.steps import StepTimes
from workers.telemetry.traces import EpochTrace, Tracing
from workers.transport.base import Epoch, EpochLimits, OutgoingRecord, Transport

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 5.0  # between tries while a broker is not well
STANDING_S = 1.0  # between looks at where the worker stands


@dataclass(slots=True)
class Progress:
    """What was published so far; for progress bars and the last line."""

    enriched: int = 0
    dead: int = 0
    tombstones: int = 0
    epochs: int = 0
    failed_epochs: int = 0
    cache_lookups: int = 0
    cache_hits: int = 0
    windows: int = 0

    @property
    def documents(self) -> int:
        return self.enriched + self.dead + self.tombstones

    def count(self, outcomes: list[Outcome]) -> None:
        self.epochs += 1
        for outcome in outcomes:
            if isinstance(outcome, Enriched):
                self.enriched += 1
                self.cache_lookups += outcome.run.cache_lookups
                self.cache_hits += outcome.run.cache_hits
                self.windows += outcome.run.segments
            elif isinstance(outcome, Failed):
                self.dead += 1
            else:
                self.tombstones += 1


@dataclass(slots=True)
class UnderWay:
    """An epoch between being read and being visible."""

    epoch: Epoch
    outcomes: Future[list[Outcome]]
    steps: StepTimes  # the pipeline's until `outcomes` is done
    read_s: float  # when it was read, and
    sent_s: float = 0.0  # when it went to be published
    published: Future[None] | None = None
    too_large: int = 0  # enriched ones that came out as dead letters
    trace: EpochTrace | None = None


@dataclass(slots=True)
class Worker:
    """Runs until it is told to stop, or the source has an end and it was reached."""

    transport: Transport
    pipeline: Pipeline
    outgoing: Outgoing
    settings: EpochSettings
    on_progress: Callable[[Progress], None] = lambda progress: None
    clock: Callable[[], float] = time.monotonic
    recorder: Recorder = field(default_factory=NullRecorder)
    tracing: Tracing | None = None
    progress: Progress = field(default_factory=Progress)
    _stop: Event = field(default_factory=Event)
    _under_way: deque[UnderWay] = field(default_factory=deque)
    _pause_until_s: float = 0.0
    _failures_in_a_row: int = 0
    _must_rewind: bool = False
    _next_standing_s: float = 0.0

    def stop(self) -> None:
        """Finish what was read and end. Safe in a signal handler and from other threads."""
        self._stop.set()

    def run(self) -> Progress:
        """Raises DeviceLost if nothing answers any more, ConfigurationError if the broker says this cannot work."""
        pool = ThreadPoolExecutor(self.settings.max_in_flight, thread_name_prefix="pipeline")
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
        if self._must_rewind:
            self.transport.rewind()
            self._must_rewind = False
        accept = self.has_room()
        idle = accept and not self._under_way
        limits = EpochLimits(self.settings.max_records, self.settings.max_bytes)
        epoch = self.transport.poll(limits, timeout_s=self.settings.poll_ms / 1000 if idle else 0.0, accept=accept)
        if epoch is not None:
            steps = StepTimes(self.clock)
            outcomes = pool.submit(self.pipeline.enrich, epoch.records, steps)
            self._under_way.append(UnderWay(epoch, outcomes, steps, read_s=self.clock()))
        moved = self.publish_in_order()
        if epoch is None and not moved:
            self.wait_for_head()

    def has_room(self) -> bool:
        under_way_bytes = sum(item.epoch.size_bytes for item in self._under_way)
        return (
            not self._stop.is_set()
            and self.clock() >= self._pause_until_s
            and len(self._under_way) < self.settings.max_in_flight
            and (not self._under_way or under_way_bytes + self.settings.max_bytes <= self.settings.max_in_flight_bytes)
        )

    def publish_in_order(self) -> bool:
        """Moves the oldest epoch a step on; true if it did. Only that one may be in a transaction."""
        if not self._under_way:
            return False
        head = self._under_way[0]
        if head.published is None and head.outcomes.done():
            records = self.outgoing.records(head.outcomes.result())
            head.too_large = self.outgoing.too_large(head.outcomes.result(), records)
            records = self.traced(head, records)
            head.sent_s = self.clock()
            head.published = self.transport.publish(head.epoch, records)
            return True
        if head.published is not None and head.published.done():
            head.published.result()  # raises PublishFailed
            self._under_way.popleft()
            self._failures_in_a_row = 0
            self.tell_committed(head)
            self.progress.count(head.outcomes.result())
            self.on_progress(self.progress)
            return True
        return False

    def traced(self, head: UnderWay, records: list[OutgoingRecord]) -> list[OutgoingRecord]:
        """Each record with the context of the span that made it, if there are traces."""
        if self.tracing is None:
            return records
        documents = traced_documents(head.outcomes.result(), records)
        head.trace = self.tracing.epoch(
            documents, started_s=head.read_s, steps=head.steps.intervals(), now_s=self.clock()
        )
        return with_contexts(records, head.trace)

    def tell_committed(self, head: UnderWay) -> None:
        now_s = self.clock()
        if head.trace is not None:
            head.trace.end()
        head.steps.add("publish", now_s - head.sent_s)
        self.recorder.committed(
            committed_epoch(
                head.epoch,
                head.outcomes.result(),
                too_large=head.too_large,
                seconds=head.steps.seconds(),
                epoch_s=now_s - head.read_s,
                under_way=len(self._under_way),
            )
        )

    def tell_standing(self) -> None:
        self.recorder.turned()
        now_s = self.clock()
        if now_s >= self._next_standing_s:
            self._next_standing_s = now_s + STANDING_S
            epochs = [item.epoch for item in self._under_way]
            self.recorder.standing(load_of(self.transport, epochs, stopping=self._stop.is_set()))

    def wait_for_head(self) -> None:
        """Sleep until something may have changed, but never long enough to miss a poll."""
        poll_s = self.settings.poll_ms / 1000
        if self._under_way:
            head = self._under_way[0]
            # With room left new records may arrive at any moment: look again soon.
            awaited: Future[Any] = head.published or head.outcomes
            wait([awaited], timeout=poll_s / 10 if self.has_room() else poll_s)
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
            item.outcomes.cancel()
            if item.trace is not None:
                item.trace.end(problem=type(error).__name__)
        self.recorder.aborted(len(self._under_way))
        self._under_way.clear()
        self._must_rewind = True
