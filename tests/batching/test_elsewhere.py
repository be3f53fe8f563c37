"""A model that runs elsewhere: it may be down for a while, has its own word on a text, and can be told to end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.fakes.models import Asked, OracleModel, answer_of, window_of
from workers.batching.answers import ModelFailed
from workers.batching.scheduler import Batcher
from workers.errors import DeviceLost, ModelDown
from workers.models.base import Unanswered
from workers.settings import BatchSettings
from workers.stages.results import WindowAnswer
from workers.text.pieces import Window

REFUSED = "REFUSED"


@dataclass
class FarModel(OracleModel):
    """Down while told so; `close` ends a forward pass that waits."""

    down: bool = False
    waiting: bool = False
    entered: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)

    def forward(self, batch: Sequence[Asked]) -> list[Window]:
        if self.down:
            raise ModelDown(f"{batch[0].area} wide")
        if self.waiting:
            self.entered.set()
            self.closed.wait(30)
            raise ModelDown("closed")
        return super().forward(batch)

    def decode(  # type: ignore[override]  # narrower in the base
        self, raw: list[Window], batch: Sequence[Asked]
    ) -> list[WindowAnswer | Unanswered]:
        return [
            Unanswered("refused", "by its own word") if REFUSED in window.text else answer
            for window, answer in zip(raw, super().decode(raw, batch), strict=True)
        ]

    def close(self) -> None:
        self.closed.set()


@contextmanager
def batching(model: FarModel) -> Iterator[Batcher[Asked, list[Window]]]:
    batcher = Batcher(model, BatchSettings())
    try:
        yield batcher
    finally:
        batcher.close()


def test_while_the_model_is_down_callers_are_told_and_later_answered() -> None:
    model = FarModel(down=True)
    windows = [window_of(text) for text in ("one", "two words", "w " * 30)]
    with batching(model) as batcher:
        for _ in range(3):
            with pytest.raises(ModelDown):
                batcher.answer(windows)
        assert batcher.stats().failed_windows == 0
        model.down = False
        assert batcher.answer(windows).answers == tuple(answer_of(window.text) for window in windows)
        assert batcher.stats().waiting == 0


def test_what_waited_with_a_call_that_was_given_up_is_not_computed() -> None:
    model = FarModel(down=True)
    with batching(model) as batcher:
        with pytest.raises(ModelDown):
            batcher.answer([window_of("short"), window_of("long " * 40)])  # of two lengths: two batches
        model.down = False
        assert batcher.answer([window_of("next")]).answers == (answer_of("next"),)
    assert [asked.window.text for batch in model.batches for asked in batch] == ["next"]


def test_the_models_own_word_fails_that_text_alone_and_at_once() -> None:
    model = FarModel()
    texts = ["one", f"{REFUSED} it", "three"]
    with batching(model) as batcher:
        answers = batcher.answer([window_of(text) for text in texts]).answers
        assert answers[0] == answer_of("one")
        assert answers[1] == ModelFailed("refused", "by its own word", attempts=1, smallest_failing=1)
        assert answers[2] == answer_of("three")
        assert batcher.stats().failed_windows == 1
    assert len(model.batches) == 1  # nothing is tried again


def test_closing_ends_a_forward_pass_that_waits() -> None:
    model = FarModel(waiting=True)
    raised: list[BaseException] = []
    batcher = Batcher(model, BatchSettings())

    def ask() -> None:
        try:
            batcher.answer([window_of("one")])
        except (DeviceLost, ModelDown) as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert model.entered.wait(10)
    batcher.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(raised) == 1
