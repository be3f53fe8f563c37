"""The batcher as its callers see it: each its own answers, in batches that hold what they may."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from schemas.base import StageName
from tests.fakes.batchers import (
    MAX_ITEMS,
    MAX_PADDED_TOKENS,
    SETTINGS,
    Gate,
    ask,
    batcher_of,
    texts_of,
    until,
)
from tests.fakes.models import Asked, OracleModel, answer_of, window_of
from workers.text.pieces import Window


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
        until(lambda: bool(model.batches))
        others = [pool.submit(ask, batcher, [f"caller {number}"]) for number in range(3)]
        until(lambda: batcher.stats().waiting == 3)
        assert batcher.stats().waiting_tokens == 3 * 8
        gate.open()
        assert [len(future.result().answers) for future in (first, *others)] == [1, 1, 1, 1]
    assert [len(batch) for batch in model.batches] == [1, 3]


def test_what_was_made_longer_ago_than_the_objective_goes_before_what_came_earlier() -> None:
    gate = Gate()
    model = OracleModel(before_forward=gate.wait)
    options = SETTINGS.model_copy(update={"latency_objective_ms": 60_000.0})
    with batcher_of(model, options) as batcher, ThreadPoolExecutor(3) as pool, gate:
        asked = [pool.submit(ask, batcher, ["holds the device"])]
        until(lambda: bool(model.batches))
        asked.append(pool.submit(ask, batcher, ["in time " + "word " * 50]))
        until(lambda: batcher.stats().waiting == 1)
        made_ms = int(time.time() * 1000) - 61_000
        asked.append(pool.submit(batcher.answer, [window_of("late")], made_ms=made_ms))
        until(lambda: batcher.stats().waiting == 2)
        gate.open()
        assert all(future.result().answers for future in asked)
    assert [batch[0].window.text.split()[0] for batch in model.batches] == ["holds", "late", "in"]


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
        until(lambda: len(model.batches) == 2)
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
