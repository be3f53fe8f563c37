"""A batcher over a model whose answers are known, and what holds its threads where a test wants them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.fakes.models import Asked, OracleModel, window_of
from workers.batching.answers import AnswerBatch
from workers.batching.scheduler import Batcher
from workers.settings import BatchSettings
from workers.text.pieces import Window

MAX_ITEMS, MAX_PADDED_TOKENS = 8, 256
SETTINGS = BatchSettings(max_items=MAX_ITEMS, max_padded_tokens=MAX_PADDED_TOKENS, latency_objective_ms=5.0)


@contextmanager
def batcher_of(model: OracleModel, options: BatchSettings = SETTINGS) -> Iterator[Batcher[Asked, list[Window]]]:
    batcher = Batcher(model, options)
    try:
        yield batcher
    finally:
        batcher.close()


class Gate:
    """Holds up whoever waits at it. As a context it opens at the end, so that a failing test ends too."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def wait(self) -> None:
        assert self._event.wait(60), "the gate was never opened"

    def open(self) -> None:
        self._event.set()

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self.open()


def texts_of(count: int, *, seed: int = 7) -> list[str]:
    rng = random.Random(seed)
    return [f"text {number} " + "word " * rng.randrange(60) for number in range(count)]


def ask(batcher: Batcher[Asked, list[Window]], texts: Sequence[str]) -> AnswerBatch:
    return batcher.answer([window_of(text) for text in texts])


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread; 20 s is far more than it needs."""
    for _ in range(20_000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never happened")
