"""One batcher per model: many threads ask, one device thread runs, every waiter is answered.

    answer() in the caller's thread: prepare -> buckets
    feed thread:                     waits for work, and for the device
    device thread:                   buckets -> choose_bucket -> forward -> raws
    decode thread:                   raws -> decode -> check -> answers

A batch is chosen when the device is free for it and not before, so it is as full as it can be; meanwhile callers
prepare and the decode thread works on the batch before. A batch that fails is halved, on the device thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Generic

from workers.batching.answers import AnswerBatch, BatcherStats, ModelFailed
from workers.batching.blame import Cause, answer_each, attempt, cause_of, too_large
from workers.batching.calls import Batch, Call, Place
from workers.batching.checked import CheckedModel
from workers.batching.counts import Counts
from workers.batching.device import Device, StepThread
from workers.batching.policy import BatchLimit, Buckets, due
from workers.errors import DependencyError, DeviceLost, ModelDown
from workers.models.base import PreparedT, RawT, WindowModel
from workers.settings import BatchSettings
from workers.stages.results import WindowAnswer
from workers.telemetry.watch import Watch
from workers.text.pieces import Window

logger = logging.getLogger(__name__)

MAX_UNDECODED = 2  # batches: one being decoded, one ready; more would only fill the device's memory


class Batcher(Generic[PreparedT, RawT]):
    """Answers windows. Safe to call from several threads."""

    def __init__(
        self,
        model: WindowModel[PreparedT, RawT],
        settings: BatchSettings,
        *,
        device: Device | None = None,
        budgets: Mapping[int, int] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        watch: Watch | None = None,
    ) -> None:
        """`device` is shared by the batchers whose models run on the same one, and closed by whoever made it;
        `budgets`: see `calibration`."""
        self._model = CheckedModel(model, watch)
        self._device = device or Device()
        self._closes_device = device is None
        self._clock = clock
        self._wall_clock = wall_clock
        self._objective_s = settings.latency_objective_ms / 1000
        # Everything below is guarded by this lock.
        self._changed = threading.Condition()
        self._limit = BatchLimit(settings.max_items, settings.max_padded_tokens, tuple(sorted((budgets or {}).items())))
        self._buckets: Buckets[Place[PreparedT]] = Buckets()
        self._suspects: deque[Batch[PreparedT]] = deque()
        self._raws: deque[tuple[Batch[PreparedT], RawT]] = deque()
        self._decoding = 0
        self._calls: set[Call] = set()
        self._ended: str | None = None
        self._counts = Counts()
        self._threads = (
            StepThread("feed", self._feed_step, on_death=self._die),
            StepThread("decode", self._decode_step, on_death=self._die),
        )
        for thread in self._threads:
            thread.start()

    def answer(self, windows: Sequence[Window], *, made_ms: int | None = None) -> AnswerBatch:
        """Blocks until every window is answered. Raises DeviceLost if they never will be, ModelDown if not now.

        `made_ms`, milliseconds since 1970: when what waits for these answers came into the system, None: now. From
        then on counts the latency objective of the settings.
        """
        call = self._submit(windows, made_ms)
        try:
            call.done.wait()
        finally:
            with self._changed:
                self._calls.discard(call)
        with self._changed:
            if call.given_up is not None:
                raise ModelDown(call.given_up)
            if not call.complete:
                raise DeviceLost(self._ended)
            return AnswerBatch(call.answers(), call.timing())

    def require_answering(self) -> None:
        """Blocks until a text of our own went through. Raises DeviceLost if it cannot, ModelDown if not now."""
        self.answer([self._model.probe()])

    def stats(self) -> BatcherStats:
        with self._changed:
            return self._counts.snapshot(waiting=len(self._buckets), max_padded_tokens=self._limit.max_padded_tokens)

    def close(self, timeout_s: float = 5.0) -> None:
        """Take nothing more and tell everybody who waits. Waits for the batch under way, up to this time."""
        deadline_s = time.monotonic() + timeout_s
        self._end("the batcher was closed")
        self._model.close()
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        if self._closes_device:
            self._device.close(max(0.0, deadline_s - time.monotonic()))

    # --- caller's thread

    def _submit(self, windows: Sequence[Window], made_ms: int | None) -> Call:
        self._refuse_if_ended()
        started_s = self._clock()
        prepared = answer_each(windows, self._model.prepare)
        if any(isinstance(entry, ModelFailed) for entry in prepared):
            self._require_preparing()
        ready_s = self._clock()
        call = Call(len(windows), prepare_s=ready_s - started_s, ready_s=ready_s)
        due_s = due(self._on_own_clock(made_ms, ready_s), objective_s=self._objective_s, now_s=ready_s)
        with self._changed:
            self._refuse_if_ended()
            self._calls.add(call)
            if not windows:
                call.done.set()
            for index, (window, entry) in enumerate(zip(windows, prepared, strict=True)):
                if isinstance(entry, ModelFailed):
                    self._settle(call, index, entry)
                else:
                    place = Place(call, index, entry, entry.area, len(window.tokens))
                    self._buckets.add(place, area=entry.area, due_s=due_s)
            self._changed.notify_all()
        return call

    def _on_own_clock(self, made_ms: int | None, now_s: float) -> float | None:
        return None if made_ms is None else now_s - (self._wall_clock() - made_ms / 1000)

    def _require_preparing(self) -> None:
        try:
            self._model.require_preparing()
        except DeviceLost as error:
            self._die(error)
            raise

    def _refuse_if_ended(self) -> None:
        with self._changed:
            if self._ended is not None:
                raise DeviceLost(self._ended)

    def _feed_step(self) -> bool:
        with self._changed:
            self._changed.wait_for(self._device_may_go)
        return self._device.run(self._run_one)  # a batch is chosen when the device is there: until then it may grow

    # --- device thread

    def _run_one(self) -> bool:
        with self._changed:
            if self._ended is not None:
                return False
            suspect = self._suspects.popleft() if self._suspects else None
            taken = [] if suspect else self._take()
        batch = suspect or Batch(taken, started_s=self._clock())
        try:
            if suspect:
                self._find_guilty(batch)
            elif taken:
                self._forward(batch)
        except DeviceLost:
            raise
        except DependencyError as error:
            self._give_up(batch, str(error))
        return True

    def _device_may_go(self) -> bool:
        undecoded = len(self._raws) + self._decoding
        work = bool(self._suspects) or len(self._buckets) > 0
        return self._ended is not None or (work and undecoded < MAX_UNDECODED)

    def _take(self) -> list[Place[PreparedT]]:
        waiting = self._buckets.take_batch(self._limit, now_s=self._clock())
        return [entry.item for entry in waiting if entry.item.call.given_up is None]

    def _give_up(self, batch: Batch[PreparedT], reason: str) -> None:
        """Nobody's guilt: whoever waits for a window of this batch is told, and may ask again."""
        with self._changed:
            for place in batch.places:
                place.call.give_up(reason)

    def _forward(self, batch: Batch[PreparedT]) -> None:
        try:
            raw = self._model.forward(batch.prepared)
        except DependencyError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a batch: whatever a model raises is blamed on a text
            cause = cause_of(error)
        else:
            with self._changed:
                timed = replace(batch, forward_s=self._clock() - batch.started_s)
                self._raws.append((timed, raw))
                self._changed.notify_all()
            return
        # Out of the except block, so that the error and the tensors its traceback holds are gone.
        self._count_failed(cause)
        self._find_guilty(replace(batch, forward_s=self._clock() - batch.started_s), cause)

    def _find_guilty(self, batch: Batch[PreparedT], cause: Cause | None = None) -> None:
        """`batch` failed once, in the forward pass with `cause`. Before anybody is blamed, a text of our own must pass:
        else it is not the texts."""
        started_s = self._clock()
        failed = [(batch.places, cause)] if cause is not None else []

        def note(places: Sequence[Place[PreparedT]], cause: Cause) -> None:
            self._count_failed(cause)
            failed.append((places, cause))

        outcomes = answer_each(
            batch.places,
            lambda places: self._model.run([place.prepared for place in places]),
            failed=True,
            on_failure=note,
        )
        if any(isinstance(outcome, ModelFailed) for outcome in outcomes):
            self._model.require_answering()
        guilty = [p for p, outcome in zip(batch.places, outcomes, strict=True) if isinstance(outcome, ModelFailed)]
        self._lower_limit([Batch(places).padded_tokens for places in too_large(failed, guilty)])
        self._deliver(replace(batch, forward_s=batch.forward_s + self._clock() - started_s), outcomes)

    # --- decode thread

    def _decode_step(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._ended is not None or bool(self._raws))
            if self._ended is not None:
                return False
            batch, raw = self._raws.popleft()
            self._decoding = 1
        started_s = self._clock()
        answers = attempt(batch.prepared, lambda prepared: self._model.decode(raw, prepared))
        if isinstance(answers, Cause):
            self._count_failed(answers)
        else:
            self._deliver(replace(batch, decode_s=self._clock() - started_s), answers)
        with self._changed:
            self._decoding = 0
            if isinstance(answers, Cause):
                self._suspects.append(batch)
            self._changed.notify_all()
        return True

    # --- both

    def _deliver(self, batch: Batch[PreparedT], outcomes: Sequence[WindowAnswer | ModelFailed]) -> None:
        with self._changed:
            batch.charge_calls()
            self._counts.batch(batch, capacity_tokens=self._limit.tokens(batch.places[0].area))
            for place, outcome in zip(batch.places, outcomes, strict=True):
                self._settle(place.call, place.index, outcome)

    def _settle(self, call: Call, index: int, outcome: WindowAnswer | ModelFailed) -> None:
        if isinstance(outcome, ModelFailed):
            self._counts.failed_window()
        call.answer(index, outcome)

    def _count_failed(self, cause: Cause) -> None:
        with self._changed:
            self._counts.failed_batch(cause)

    def _lower_limit(self, sizes: Sequence[int]) -> None:
        """`sizes`: padded tokens of batches that were too large."""
        if not sizes:
            return
        with self._changed:
            self._limit = self._limit.lowered_to(min(sizes) // 2)
            most = self._limit.max_padded_tokens
        logger.warning("out of memory with %d padded tokens; batches hold %d from now on", min(sizes), most)

    def _die(self, error: BaseException) -> None:
        reason = str(error) if isinstance(error, DeviceLost) else f"a batching thread ended by {type(error).__name__}"
        logger.error("no more answers from the model: %s", reason)
        self._end(reason)

    def _end(self, reason: str) -> None:
        """Once: nothing new is taken, and nobody waits any longer."""
        with self._changed:
            if self._ended is None:
                self._ended = reason
            self._buckets.clear()
            self._suspects.clear()
            self._raws.clear()
            for call in self._calls:
                call.done.set()
            self._changed.notify_all()
