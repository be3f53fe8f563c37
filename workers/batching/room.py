"""What the threads of a batcher share, under one lock: who waits, for what, and what is between device and decoder."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic

from workers.batching.answers import AnswerBatch, BatcherStats, ModelFailed
from workers.batching.blame import Cause
from workers.batching.calls import Batch, Call, Place
from workers.batching.counts import Counts
from workers.batching.policy import BatchLimit, Buckets
from workers.errors import DeviceLost, ModelDown
from workers.models.base import PreparedT, RawT
from workers.stages.results import WindowAnswer

logger = logging.getLogger(__name__)

MAX_UNDECODED = 2  # batches: one being decoded, one ready; more would only fill the device's memory


class WaitingRoom(Generic[PreparedT, RawT]):
    """Safe for threads. Ends once, for everybody."""

    def __init__(self, limit: BatchLimit, *, padded: bool = True, clock: Callable[[], float]) -> None:
        self._clock = clock
        # Everything below is guarded by this lock.
        self._changed = threading.Condition()
        self._limit = limit
        self._buckets: Buckets[Place[PreparedT]] = Buckets(padded=padded)
        self._suspects: deque[Batch[PreparedT]] = deque()
        self._raws: deque[tuple[Batch[PreparedT], RawT]] = deque()
        self._decoding = 0
        self._calls: set[Call] = set()
        self._ended: str | None = None
        self._counts = Counts()

    # --- for callers

    def refuse_if_ended(self) -> None:
        with self._changed:
            if self._ended is not None:
                raise DeviceLost(self._ended)

    def add(self, call: Call, entries: Sequence[Place[PreparedT] | ModelFailed], *, due_s: float) -> None:
        """One entry per window of the call. Raises DeviceLost."""
        with self._changed:
            self.refuse_if_ended()
            self._calls.add(call)
            if not entries:
                call.done.set()
            for index, entry in enumerate(entries):
                if isinstance(entry, ModelFailed):
                    self._settle(call, index, entry)
                else:
                    self._buckets.add(entry, area=entry.area, due_s=due_s)
            self._changed.notify_all()

    def wait_for(self, call: Call) -> AnswerBatch:
        """Raises DeviceLost or ModelDown for a call that was not answered to the end."""
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

    def stats(self) -> BatcherStats:
        with self._changed:
            return self._counts.snapshot(
                waiting=len(self._buckets),
                waiting_tokens=self._buckets.tokens,
                max_padded_tokens=self._limit.max_padded_tokens,
            )

    # --- for the device

    def wait_for_work(self) -> None:
        """Until there is a batch to run, and room for what it comes to; or the end."""
        with self._changed:
            self._changed.wait_for(self._device_may_go)

    def has_work(self) -> bool:
        """Whether `wait_for_work` would not wait."""
        with self._changed:
            return self._device_may_go()

    def take(self) -> tuple[Batch[PreparedT], bool] | None:
        """What to run now, and whether it is a batch that failed when it was decoded. None at the end."""
        with self._changed:
            if self._ended is not None:
                return None
            if self._suspects:
                return self._suspects.popleft(), True
            waiting = self._buckets.take_batch(self._limit, now_s=self._clock())
            places = [entry.item for entry in waiting if entry.item.call.given_up is None]
            return Batch(places, started_s=self._clock()), False

    def hand_over(self, batch: Batch[PreparedT], raw: RawT) -> None:
        """To the decoder."""
        with self._changed:
            self._raws.append((batch, raw))
            self._changed.notify_all()

    def give_up(self, batch: Batch[PreparedT], reason: str) -> None:
        """Nobody's guilt: whoever waits for a window of this batch is told, and may ask again."""
        with self._changed:
            for place in batch.places:
                place.call.give_up(reason)

    def lower_limit(self, sizes: Sequence[int]) -> None:
        """`sizes`: padded tokens of batches that were too large."""
        if not sizes:
            return
        with self._changed:
            self._limit = self._limit.lowered_to(min(sizes) // 2)
            most = self._limit.max_padded_tokens
        logger.warning("out of memory with %d padded tokens; batches hold %d from now on", min(sizes), most)

    # --- for the decoder

    def next_raw(self) -> tuple[Batch[PreparedT], RawT] | None:
        """Waits for one; `decoded` is owed for it. None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended is not None or bool(self._raws))
            if self._ended is not None:
                return None
            self._decoding = 1
            return self._raws.popleft()

    def decoded(self, *, suspect: Batch[PreparedT] | None) -> None:
        """`suspect`: the batch, if it could not be decoded; the device looks for who is guilty."""
        with self._changed:
            self._decoding = 0
            if suspect is not None:
                self._suspects.append(suspect)
            self._changed.notify_all()

    # --- for both

    def deliver(self, batch: Batch[PreparedT], outcomes: Sequence[WindowAnswer | ModelFailed]) -> None:
        with self._changed:
            batch.charge_calls()
            self._counts.batch(batch, capacity_tokens=self._limit.capacity(place.area for place in batch.places))
            for place, outcome in zip(batch.places, outcomes, strict=True):
                self._settle(place.call, place.index, outcome)

    def count_failed(self, cause: Cause) -> None:
        with self._changed:
            self._counts.failed_batch(cause)

    def end(self, reason: str) -> None:
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

    def _device_may_go(self) -> bool:
        undecoded = len(self._raws) + self._decoding
        work = bool(self._suspects) or len(self._buckets) > 0
        return self._ended is not None or (work and undecoded < MAX_UNDECODED)

    def _settle(self, call: Call, index: int, outcome: WindowAnswer | ModelFailed) -> None:
        if isinstance(outcome, ModelFailed):
            self._counts.failed_window()
        call.answer(index, outcome)
