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
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Generic

from workers.batching.answers import AnswerBatch, BatcherStats, ModelFailed
from workers.batching.blame import Cause, answer_each, attempt, cause_of, too_large
from workers.batching.calls import Batch, Call, Place
from workers.batching.checked import CheckedModel
from workers.batching.device import Device, StepThread
from workers.batching.policy import due, limit_for
from workers.batching.room import WaitingRoom
from workers.errors import DependencyError, DeviceLost
from workers.models.base import PreparedT, RawT, WindowModel
from workers.settings import BatchSettings
from workers.telemetry.watch import Watch
from workers.text.pieces import Window

logger = logging.getLogger(__name__)


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
        limit = limit_for(
            settings.max_items, settings.max_padded_tokens, device=model.info.device, calibrated=bool(budgets)
        )
        limit = replace(limit, budgets=tuple(sorted((budgets or {}).items())))
        self._room: WaitingRoom[PreparedT, RawT] = WaitingRoom(limit, padded=model.info.padded, clock=clock)
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
        return self._room.wait_for(self._submit(windows, made_ms))

    def require_answering(self) -> None:
        """Blocks until a text of our own went through. Raises DeviceLost if it cannot, ModelDown if not now."""
        self.answer([self._model.probe()])

    def stats(self) -> BatcherStats:
        return self._room.stats()

    def close(self, timeout_s: float = 5.0) -> None:
        """Take nothing more and tell everybody who waits. Waits for the batch under way, up to this time."""
        deadline_s = time.monotonic() + timeout_s
        self._room.end("the batcher was closed")
        self._model.close()
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        if self._closes_device:
            self._device.close(max(0.0, deadline_s - time.monotonic()))

    # --- caller's thread

    def _submit(self, windows: Sequence[Window], made_ms: int | None) -> Call:
        self._room.refuse_if_ended()
        started_s = self._clock()
        prepared = answer_each(windows, self._model.prepare)
        if any(isinstance(entry, ModelFailed) for entry in prepared):
            self._require_preparing()
        ready_s = self._clock()
        call = Call(len(windows), prepare_s=ready_s - started_s, ready_s=ready_s)
        due_s = due(self._on_own_clock(made_ms, ready_s), objective_s=self._objective_s, now_s=ready_s)
        entries = [
            entry if isinstance(entry, ModelFailed) else Place(call, index, entry, entry.area, len(window.tokens))
            for index, (window, entry) in enumerate(zip(windows, prepared, strict=True))
        ]
        self._room.add(call, entries, due_s=due_s)
        return call

    def _on_own_clock(self, made_ms: int | None, now_s: float) -> float | None:
        return None if made_ms is None else now_s - (self._wall_clock() - made_ms / 1000)

    def _require_preparing(self) -> None:
        try:
            self._model.require_preparing()
        except DeviceLost as error:
            self._die(error)
            raise

    # --- feed thread

    def _feed_step(self) -> bool:
        self._room.wait_for_work()
        return self._device.run(self._run_batches)  # chosen when the device is there: until then a batch may grow

    # --- device thread

    def _run_batches(self) -> bool:
        """As long as there is one to run, and no other batcher waits for the device; False at the end.

        Between two batches nobody is waited for: to wake a thread that needs the interpreter takes as long as a tenth
        of a small pass.
        """
        while self._run_one():
            if self._device.wanted or not self._room.has_work():
                return True
        return False

    def _run_one(self) -> bool:
        taken = self._room.take()
        if taken is None:
            return False
        batch, suspect = taken
        try:
            if suspect:
                self._find_guilty(batch)
            elif batch.places:
                self._forward(batch)
        except DeviceLost:
            raise
        except DependencyError as error:
            self._room.give_up(batch, str(error))
        return True

    def _forward(self, batch: Batch[PreparedT]) -> None:
        try:
            raw = self._model.forward(batch.prepared)
        except DependencyError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a batch: whatever a model raises is blamed on a text
            cause = cause_of(error)
        else:
            self._room.hand_over(replace(batch, forward_s=self._clock() - batch.started_s), raw)
            return
        # Out of the except block, so that the error and the tensors its traceback holds are gone.
        self._room.count_failed(cause)
        self._find_guilty(replace(batch, forward_s=self._clock() - batch.started_s), cause)

    def _find_guilty(self, batch: Batch[PreparedT], cause: Cause | None = None) -> None:
        """`batch` failed once, in the forward pass with `cause`. Before anybody is blamed, a text of our own must pass:
        else it is not the texts."""
        started_s = self._clock()
        failed = [(batch.places, cause)] if cause is not None else []

        def note(places: Sequence[Place[PreparedT]], cause: Cause) -> None:
            self._room.count_failed(cause)
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
        self._room.lower_limit([Batch(places).padded_tokens for places in too_large(failed, guilty)])
        self._room.deliver(replace(batch, forward_s=batch.forward_s + self._clock() - started_s), outcomes)

    # --- decode thread

    def _decode_step(self) -> bool:
        taken = self._room.next_raw()
        if taken is None:
            return False
        batch, raw = taken
        started_s = self._clock()
        answers = attempt(batch.prepared, lambda prepared: self._model.decode(raw, prepared))
        if isinstance(answers, Cause):
            self._room.count_failed(answers)
            self._room.decoded(suspect=batch)
        else:
            self._room.deliver(replace(batch, decode_s=self._clock() - started_s), answers)
            self._room.decoded(suspect=None)
        return True

    # --- any of them

    def _die(self, error: BaseException) -> None:
        reason = str(error) if isinstance(error, DeviceLost) else f"a batching thread ended by {type(error).__name__}"
        logger.error("no more answers from the model: %s", reason)
        self._room.end(reason)
