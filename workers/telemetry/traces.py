"""Traces, as far as the worker's loop knows them: an epoch is one, and documents go on with their own.

Without a Tracing the producer's trace headers are passed on as they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from workers.telemetry.steps import Interval

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class TracedDocument:
    """An input record and what it became. Nothing of its text, key or id."""

    topic: str
    partition: int
    offset: int
    headers: Headers  # as they came
    target: str  # topic of the output record
    failure: str | None  # step and code of a dead letter


class EpochTrace(Protocol):
    """An epoch that is about to be published."""

    def headers(self, index: int, headers: Headers) -> Headers:
        """The output record's headers, with the context of the span that made it in place of the input's."""
        ...

    def end(self, *, problem: str | None = None) -> None:
        """Once: it is visible, or why not. `problem` quotes no document."""
        ...


class Tracing(Protocol):
    """Makes traces. Never raises, and never waits for whoever collects them."""

    def epoch(
        self, documents: Sequence[TracedDocument], *, started_s: float, steps: Sequence[Interval], now_s: float
    ) -> EpochTrace:
        """Seconds are of the worker's clock; `now_s`, the time of the call, ties it to the time of day."""
        ...
