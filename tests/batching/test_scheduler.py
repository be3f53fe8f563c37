"""The batcher as its callers see it: each its own answers, always answered, one bad text hurts nobody else."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.base import StageName
from tests.fakes.models import (
    DEADLY,
    INCOMPLETE,
    INSATIABLE,
    MARKS,
    MISCOUNTED,
    NOT_A_NUMBER,
    POISON,
    UNPREPARABLE,
    Asked,
    OracleModel,
    answer_of,
    window_of,
)
from workers.batching.answers import AnswerBatch, ModelFailed
from workers.batching.scheduler import Batcher
from workers.errors import DeviceLost
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


def test_many_threads_each_get_the_answers_of_their_own_windows() -> None:
    model = OracleModel()
    epochs = [texts_of(50, seed=seed) for seed in range(8)]
    with batcher_of(model) as batcher, ThreadPoolExecutor(8) as pool:
        for texts, batch in zip(epochs, pool.map(lambda texts: ask(batcher, texts), epochs), strict=True):
            assert list(batch.answers) == [answer_of(text) for text in texts]
    assert model.forward_threads == {"device"}


def test_a_batch_holds_one_padded_length_and_keeps_the_budget() -> None:
    model = OracleModel()
    with batcher_of(model) as batcher, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: ask(batcher, texts_of(40, seed=seed)), range(4)))
    for batch in model.batches:
        assert len({asked.area for asked in batch}) == 1
        assert len(batch) <= MAX_ITEMS
        assert len(batch) * batch[0].area <= MAX_PADDED_TOKENS


def test_windows_of_several_callers_share_a_batch() -> None:
    gate = Gate()
    model = OracleModel(before_forward=gate.wait)
    with batcher_of(model) as batcher, ThreadPoolExecutor(4) as pool, gate:
        first = pool.submit(ask, batcher, ["holds the device"])
        _until(lambda: bool(model.batches))
        others = [pool.submit(ask, batcher, [f"caller {number}"]) for number in range(3)]
        _until(lambda: batcher.stats().waiting == 3)
        gate.open()
        assert [len(future.result().answers) for future in (first, *others)] == [1, 1, 1, 1]
    assert [len(batch) for batch in model.batches] == [1, 3]


def test_what_was_made_longer_ago_than_the_objective_goes_before_what_came_earlier() -> None:
    gate = Gate()
    model = OracleModel(before_forward=gate.wait)
    options = SETTINGS.model_copy(update={"latency_objective_ms": 60_000.0})
    with batcher_of(model, options) as batcher, ThreadPoolExecutor(3) as pool, gate:
        asked = [pool.submit(ask, batcher, ["holds the device"])]
        _until(lambda: bool(model.batches))
        asked.append(pool.submit(ask, batcher, ["in time " + "word " * 50]))
        _until(lambda: batcher.stats().waiting == 1)
        made_ms = int(time.time() * 1000) - 61_000
        asked.append(pool.submit(batcher.answer, [window_of("late")], made_ms=made_ms))
        _until(lambda: batcher.stats().waiting == 2)
        gate.open()
        assert all(future.result().answers for future in asked)
    assert [batch[0].window.text.split()[0] for batch in model.batches] == ["holds", "late", "in"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from((None, None, None, *MARKS))), max_size=30))
def test_exactly_the_marked_windows_fail_wherever_their_error_arises(cases: list[tuple[int, str | None]]) -> None:
    texts = [f"{number} {mark or ''} " + "word " * words for number, (words, mark) in enumerate(cases)]
    with batcher_of(OracleModel()) as batcher:
        answers = ask(batcher, texts).answers
    for text, (_, mark), answer in zip(texts, cases, answers, strict=True):
        if mark is None:
            assert answer == answer_of(text)
        else:
            assert isinstance(answer, ModelFailed)
            assert answer.code == ("out_of_memory" if mark is INSATIABLE else "model_error")
            assert answer.attempts >= 2
            assert mark not in answer.detail


@pytest.mark.parametrize(
    ("mark", "detail"),
    [
        (NOT_A_NUMBER, "a score of summary is not a number"),
        (INCOMPLETE, "no summary in an answer"),
        (MISCOUNTED, "0 answers for 1 windows"),
        (POISON, "ModelError from ValueError"),
        (UNPREPARABLE, "ModelError from ValueError"),
    ],
)
def test_a_failure_says_which_promise_was_broken_and_quotes_nothing(mark: str, detail: str) -> None:
    with batcher_of(OracleModel()) as batcher:
        bad, good = ask(batcher, [f"{mark} secret", "fine"]).answers
    assert good == answer_of("fine")
    assert isinstance(bad, ModelFailed)
    assert bad.detail == detail


def test_a_fault_that_passes_costs_no_document() -> None:
    with batcher_of(OracleModel(failures_left=1)) as batcher:
        assert ask(batcher, ["only one"]).answers == (answer_of("only one"),)


def test_out_of_memory_halves_the_batch_and_lowers_the_budget_for_the_next(caplog: pytest.LogCaptureFixture) -> None:
    model = OracleModel(fits_padded_tokens=40)
    texts = [f"text {number}" for number in range(16)]  # padded length 8
    with batcher_of(model) as batcher:
        assert list(ask(batcher, texts).answers) == [answer_of(text) for text in texts]
        assert batcher.stats().max_padded_tokens == 32
        assert batcher.stats().out_of_memory == 1
        model.batches.clear()
        ask(batcher, texts)
    assert [len(batch) for batch in model.batches] == [4, 4, 4, 4]
    assert "text" not in caplog.text


def test_a_window_that_never_fits_fails_alone_and_leaves_the_budget() -> None:
    with batcher_of(OracleModel()) as batcher:
        (answer,) = ask(batcher, [INSATIABLE]).answers
        assert isinstance(answer, ModelFailed)
        assert answer.code == "out_of_memory"
        assert batcher.stats().max_padded_tokens == MAX_PADDED_TOKENS


def test_a_model_that_fails_on_every_text_blames_no_document() -> None:
    model = OracleModel()
    with batcher_of(model) as batcher:
        ask(batcher, ["before"])
        model.broken = True
        with pytest.raises(DeviceLost, match="fails on every text: RuntimeError"):
            ask(batcher, texts_of(5))
        with pytest.raises(DeviceLost):
            ask(batcher, ["after"])


def test_a_model_that_can_prepare_no_text_blames_no_document() -> None:
    class Unprepared(OracleModel):
        def prepare(self, windows: Sequence[Window]) -> list[Asked]:
            raise RuntimeError

    with batcher_of(Unprepared()) as batcher, pytest.raises(DeviceLost, match="fails on every text"):
        ask(batcher, ["any"])


def test_everybody_is_told_when_the_device_thread_dies() -> None:
    gate = Gate()
    model = OracleModel(before_forward=gate.wait)
    with batcher_of(model) as batcher, ThreadPoolExecutor(6) as pool, gate:
        deadly = pool.submit(ask, batcher, [DEADLY])
        _until(lambda: bool(model.batches))
        others = [pool.submit(ask, batcher, texts_of(9, seed=seed)) for seed in range(5)]
        _until(lambda: batcher.stats().waiting == 45)
        gate.open()
        for future in (deadly, *others):
            with pytest.raises(DeviceLost, match="ended by SystemExit"):
                future.result(timeout=30)


def test_everybody_is_told_when_the_batcher_is_closed() -> None:
    gate = Gate()
    model = OracleModel(before_forward=gate.wait)
    with batcher_of(model) as batcher, ThreadPoolExecutor(3) as pool, gate:
        waiters = [pool.submit(ask, batcher, texts_of(9, seed=seed)) for seed in range(3)]
        _until(lambda: bool(model.batches) and batcher.stats().waiting > 0)
        closing = threading.Thread(target=batcher.close)
        closing.start()
        for future in waiters:
            with pytest.raises(DeviceLost, match="closed"):
                future.result(timeout=30)
        gate.open()
        closing.join(30)
        assert not closing.is_alive()
    with pytest.raises(DeviceLost, match="closed"):
        ask(batcher, ["late"])


def test_no_more_batches_run_than_are_decoded() -> None:
    """Raw results live in the device's memory: a slow decode must hold up the device."""
    gate = Gate()

    class SlowDecode(OracleModel):
        def decode(self, raw: list[Window], batch: Sequence[Asked]) -> list[object]:  # type: ignore[override]
            gate.wait()
            return list(super().decode(raw, batch))

    model = SlowDecode()
    with batcher_of(model) as batcher, ThreadPoolExecutor(1) as pool, gate:
        future = pool.submit(ask, batcher, [f"text {number}" for number in range(80)])
        _until(lambda: len(model.batches) == 2)
        threading.Event().wait(0.05)
        assert len(model.batches) == 2
        gate.open()
        assert len(future.result().answers) == 80


def test_nothing_asked_is_nothing_answered() -> None:
    with batcher_of(OracleModel()) as batcher:
        assert ask(batcher, []).answers == ()


def test_costs_are_split_between_the_callers_of_a_batch_and_add_up() -> None:
    with batcher_of(OracleModel(stages=(StageName.ENTITIES,))) as batcher, ThreadPoolExecutor(4) as pool:
        timings = [b.timing for b in pool.map(lambda seed: ask(batcher, texts_of(30, seed=seed)), range(4))]
        total = batcher.stats()
    assert total.windows == sum(timing.windows for timing in timings) == 120
    assert total.padded_tokens == sum(timing.padded_tokens for timing in timings)
    assert total.useful_tokens == sum(timing.useful_tokens for timing in timings) < total.padded_tokens
    assert total.forward_s == pytest.approx(sum(timing.forward_s for timing in timings))
    assert total.decode_s == pytest.approx(sum(timing.decode_s for timing in timings))
    assert (total.failed_batches, total.failed_windows, total.waiting) == (0, 0, 0)


def _until(condition: Callable[[], bool]) -> None:
    """Wait for another thread; 20 s is far more than it needs."""
    for _ in range(20_000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never happened")


def test_a_text_that_never_fits_makes_nobody_elses_batches_smaller() -> None:
    with batcher_of(OracleModel()) as batcher:
        ask(batcher, [f"{INSATIABLE} text", *(f"word {number}" for number in range(7))])
        assert batcher.stats().max_padded_tokens == MAX_PADDED_TOKENS
        assert batcher.stats().out_of_memory > 0
