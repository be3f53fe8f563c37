"""Intervals hold what they promise, and the same seed gives the same ones."""

from __future__ import annotations

import numpy as np
import pytest

from workers.lifecycle import bootstrap as module
from workers.lifecycle.bootstrap import Bootstrap, Floats
from workers.lifecycle.measures import calibration_error, means


def test_the_interval_of_a_share_holds_the_true_share_about_95_times_in_100() -> None:
    rng, held = np.random.default_rng(1), 0
    for seed in range(200):
        sample = (rng.random((120, 1)) < 0.7).astype(np.float64)
        found = Bootstrap(draws=300, seed=seed).measure(120, means(sample))
        held += bool(found.low[0] <= 0.7 <= found.high[0])
    assert 180 <= held <= 199


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    sample = np.random.default_rng(2).random((50, 3))
    one, same, other = (Bootstrap(draws=100, seed=seed).measure(50, means(sample)) for seed in (7, 7, 8))
    assert np.array_equal(one.low, same.low)
    assert np.array_equal(one.high, same.high)
    assert not np.array_equal(one.low, other.low)
    assert np.array_equal(one.values, other.values)


def test_items_that_agree_leave_no_doubt() -> None:
    found = Bootstrap(draws=50).measure(9, means(np.full((9, 1), 0.4)))
    assert found.low[0] == pytest.approx(0.4)
    assert found.high[0] == pytest.approx(0.4)


def test_every_draw_is_as_large_as_the_set_however_it_is_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[Floats] = []

    def statistic(weights: Floats) -> Floats:
        sizes.append(weights.sum(axis=1))
        return weights[:, :1]

    Bootstrap(draws=23).measure(10, statistic)
    monkeypatch.setattr(module, "_CHUNK_WEIGHTS", 40)
    Bootstrap(draws=23).measure(10, statistic)
    assert [len(rows) for rows in sizes] == [1, 23, 1, *[4] * 5, 3]
    assert all((rows == 10).all() for rows in sizes)


def test_a_centred_interval_holds_its_value_where_draws_only_add_noise() -> None:
    confidence = np.full(40, 0.5)
    right = np.arange(40) % 2 == 0  # perfectly calibrated: every draw is worse
    statistic = calibration_error(40, np.arange(40), confidence, right)
    beside, around = (Bootstrap(draws=200).measure(40, statistic, centred=centred) for centred in (False, True))
    assert around.low[0] <= around.values[0] <= around.high[0]
    assert beside.high[0] > 0
