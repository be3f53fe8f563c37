"""What goes wrong in a batcher: one bad text hurts nobody else, a bad model blames no text, everybody is told."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.batchers import MAX_PADDED_TOKENS, Gate, ask, batcher_of, texts_of, until
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
)
from workers.batching.answers import ModelFailed
from workers.errors import DeviceLost
from workers.text.pieces import Window


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
        until(lambda: bool(model.batches))
        others = [pool.submit(ask, batcher, texts_of(9, seed=seed)) for seed in range(5)]
        until(lambda: batcher.stats().waiting == 45)
        gate.open()
        for future in (deadly, *others):
            with pytest.raises(DeviceLost, match="ended by SystemExit"):
                future.result(timeout=30)


def test_everybody_is_told_when_the_batcher_is_closed() -> None:
    gate = Gate()
    model = OracleModel(before_forward=gate.wait)
    with batcher_of(model) as batcher, ThreadPoolExecutor(3) as pool, gate:
        waiters = [pool.submit(ask, batcher, texts_of(9, seed=seed)) for seed in range(3)]
        until(lambda: bool(model.batches) and batcher.stats().waiting > 0)
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


def test_a_text_that_never_fits_makes_nobody_elses_batches_smaller() -> None:
    with batcher_of(OracleModel()) as batcher:
        ask(batcher, [f"{INSATIABLE} text", *(f"word {number}" for number in range(7))])
        assert batcher.stats().max_padded_tokens == MAX_PADDED_TOKENS
        assert batcher.stats().out_of_memory > 0
