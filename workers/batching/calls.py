"""What is owed to the threads that wait: one `Call` per `Batcher.answer`, one `Place` per window.

Not safe for threads by itself: the batcher holds its lock around every use but `done`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from workers.batching.answers import BatchTiming, ModelFailed
from workers.stages.results import WindowAnswer

PreparedT = TypeVar("PreparedT")


class Call:
    """The windows one thread waits for, and what they cost so far."""

    def __init__(self, size: int, *, prepare_s: float, ready_s: float) -> None:
        self.done = threading.Event()
        self.given_up: str | None = None  # why nobody works on it any more
        self._answers: dict[int, WindowAnswer | ModelFailed] = {}
        self._size = size
        self._prepare_s = prepare_s
        self._ready_s = ready_s
        self._first_run_s: float | None = None
        self._forward_s = self._decode_s = 0.0
        self._batches = self._padded_tokens = self._useful_tokens = 0

    @property
    def complete(self) -> bool:
        return len(self._answers) == self._size

    def answer(self, index: int, outcome: WindowAnswer | ModelFailed) -> None:
        if index in self._answers:
            raise AssertionError("a window was answered twice. This is a bug.")
        self._answers[index] = outcome
        if self.complete:
            self.done.set()

    def give_up(self, reason: str) -> None:
        """Its windows stay without answers, through no fault of theirs."""
        self.given_up = reason
        self.done.set()

    def charge(self, own: Batch[PreparedT], *, share: float) -> None:
        """Count a batch of which this call has `own.places`, a `share` (0..1) of all."""
        if self._first_run_s is None or own.started_s < self._first_run_s:
            self._first_run_s = own.started_s
        self._batches += 1
        self._forward_s += share * own.forward_s
        self._decode_s += share * own.decode_s
        self._padded_tokens += own.padded_tokens
        self._useful_tokens += own.useful_tokens

    def answers(self) -> tuple[WindowAnswer | ModelFailed, ...]:
        return tuple(self._answers[index] for index in range(self._size))

    def timing(self) -> BatchTiming:
        first_run_s = self._ready_s if self._first_run_s is None else self._first_run_s
        return BatchTiming(
            queue_s=max(0.0, first_run_s - self._ready_s),
            prepare_s=self._prepare_s,
            forward_s=self._forward_s,
            decode_s=self._decode_s,
            batches=self._batches,
            windows=self._size,
            padded_tokens=self._padded_tokens,
            useful_tokens=self._useful_tokens,
        )


@dataclass(frozen=True, slots=True)
class Place(Generic[PreparedT]):
    """One prepared window and where its answer goes."""

    call: Call
    index: int
    prepared: PreparedT
    area: int  # length in tokens, padded if the model pads
    tokens: int  # without padding and special tokens


@dataclass(frozen=True, slots=True)
class Batch(Generic[PreparedT]):
    """Windows that go through the device together, and what that cost so far."""

    places: Sequence[Place[PreparedT]]
    started_s: float = 0.0
    forward_s: float = 0.0
    decode_s: float = 0.0

    @property
    def prepared(self) -> list[PreparedT]:
        return [place.prepared for place in self.places]

    @property
    def padded_tokens(self) -> int:
        return sum(place.area for place in self.places)

    @property
    def useful_tokens(self) -> int:
        return sum(place.tokens for place in self.places)

    def charge_calls(self) -> None:
        """Tell every call that has windows in here what its share of the batch cost."""
        by_call: dict[Call, list[Place[PreparedT]]] = {}
        for place in self.places:
            by_call.setdefault(place.call, []).append(place)
        for call, places in by_call.items():
            call.charge(replace(self, places=places), share=len(places) / len(self.places))
