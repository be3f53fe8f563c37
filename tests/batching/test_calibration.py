"""The budget of a batch: the smallest that is nearly as fast as the best, within memory and time; kept per machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.models import Asked, OracleModel
from workers.batching.calibration import (
    LENGTHS,
    NEARLY,
    SMALLEST,
    Budgets,
    filler_window,
    find_budgets,
    find_threads,
    smallest_good,
    warm_up,
)
from workers.batching.policy import BatchLimit
from workers.errors import ModelError
from workers.remembered import Remembered

LIMIT = BatchLimit(max_items=4_096, max_padded_tokens=65_536)


@dataclass
class Stopwatch:
    """A clock that goes on only when the model runs: `start_s` a pass, and `token_s` a padded token."""

    model: OracleModel
    start_s: float
    token_s: float
    now_s: float = 0.0
    counted: int = field(default=0)

    def __call__(self) -> float:
        for batch in self.model.batches[self.counted :]:
            self.now_s += self.start_s + self.token_s * sum(asked.area for asked in batch)
        self.counted = len(self.model.batches)
        return self.now_s


def stopwatch(start_s: float, *, fits: int | None = None) -> tuple[OracleModel, Stopwatch]:
    model = OracleModel(fits_padded_tokens=fits)
    return model, Stopwatch(model, start_s, 1e-6)


def area_of(batch: tuple[Asked, ...]) -> int:
    return batch[0].area * len(batch)


@given(st.dictionaries(st.integers(1, 100_000), st.floats(0.1, 1e6), min_size=1))
def test_no_smaller_size_is_nearly_as_fast(speeds: dict[int, float]) -> None:
    chosen = smallest_good(speeds)
    assert speeds[chosen] >= NEARLY * max(speeds.values())
    assert all(speed < NEARLY * max(speeds.values()) for size, speed in speeds.items() if size < chosen)


def test_a_device_that_starts_slowly_gets_large_batches_and_another_small_ones() -> None:
    quick, clock = stopwatch(start_s=0.0)
    small = find_budgets(quick, LIMIT, clock=clock)
    slow, clock = stopwatch(start_s=0.05)
    large = find_budgets(slow, LIMIT, clock=clock, box_s=1e9)
    assert set(small.padded_tokens) == set(large.padded_tokens)
    for area, budget in small.padded_tokens.items():
        assert budget == SMALLEST
        assert large.padded_tokens[area] > 2 * budget


@given(st.integers(300, 100_000), st.dictionaries(st.sampled_from([32, 96, 256]), st.integers(256, 50_000)))
def test_the_largest_batch_there_can_be_is_run_before_the_first_document(most: int, budgets: dict[int, int]) -> None:
    model = OracleModel()
    limit = BatchLimit(max_items=64, max_padded_tokens=most)
    warm_up(model, limit, Budgets(padded_tokens=budgets))
    (batch,) = model.batches
    own = BatchLimit(64, most, tuple(sorted(budgets.items())))
    areas = [model.prepare([filler_window(model, length)])[0].area for length in LENGTHS]
    assert area_of(batch) == max(own.items(area) * area for area in areas)


def test_a_first_batch_that_does_not_fit_is_left_to_the_batcher() -> None:
    model = OracleModel(fits_padded_tokens=1_000)
    warm_up(model, BatchLimit(max_items=64, max_padded_tokens=8_192), Budgets())  # raises nothing


def test_no_batch_exceeds_the_limit() -> None:
    model, clock = stopwatch(start_s=0.1)
    limit = BatchLimit(max_items=5, max_padded_tokens=900)
    find_budgets(model, limit, clock=clock, box_s=1e9)
    assert all(len(batch) <= 5 for batch in model.batches)
    assert all(area_of(batch) <= 900 for batch in model.batches)


def test_where_memory_ends_the_batch_does_too() -> None:
    model, clock = stopwatch(start_s=0.1, fits=16_384)
    budgets = find_budgets(model, LIMIT, clock=clock, box_s=1e9)
    assert budgets.padded_tokens
    assert max(budgets.padded_tokens.values()) <= 16_384


def test_a_device_without_memory_for_anything_has_no_budgets() -> None:
    model, clock = stopwatch(start_s=0.1, fits=1)
    assert find_budgets(model, LIMIT, clock=clock) == Budgets()


def test_time_that_is_up_ends_it_with_a_figure_for_every_length() -> None:
    model, clock = stopwatch(start_s=10.0)
    budgets = find_budgets(model, LIMIT, clock=clock, box_s=1.0)
    assert len(budgets.padded_tokens) == 3
    assert max(map(area_of, model.batches)) <= SMALLEST


def test_what_breaks_the_model_is_told() -> None:
    model, clock = stopwatch(start_s=0.1)
    model.broken = True
    with pytest.raises((RuntimeError, ModelError)):
        find_budgets(model, LIMIT, clock=clock)


@given(st.integers(1, 300))
def test_filler_is_as_long_as_asked(length: int) -> None:
    window = filler_window(OracleModel(), length)
    assert len(window.tokens) == length
    assert window.sentences == ((0, len(window.text)),)


@given(
    st.dictionaries(st.integers(1, 512), st.integers(1, 20_000), max_size=4),
    st.integers(1, 600),
    st.integers(1, 128),
    st.integers(1, 20_000),
)
def test_a_measured_budget_only_lowers_what_is_set(budgets: dict[int, int], area: int, items: int, tokens: int) -> None:
    as_set = BatchLimit(items, tokens)
    measured = BatchLimit(items, tokens, tuple(sorted(budgets.items())))
    assert 1 <= measured.items(area) <= as_set.items(area)
    above = [length for length in sorted(budgets) if length >= area]
    if budgets:
        asked = budgets[above[0] if above else max(budgets)]
        assert measured.items(area) == max(1, min(items, min(tokens, asked) // area))


def test_a_machine_measures_a_model_once(tmp_path: Path) -> None:
    remembered = Remembered(tmp_path / "deep" / "batches.json", Budgets)

    def ask(key: str, measured: int) -> int:
        found = remembered.get_or_measure(key, lambda: Budgets(padded_tokens={32: measured}))
        return found.padded_tokens[32]

    assert [ask("a", 1), ask("a", 2), ask("b", 3), ask("a", 4)] == [1, 1, 3, 1]
    (tmp_path / "deep" / "batches.json").write_text('{"a": {"padded_tokens": {"32": -1}}}')
    assert ask("a", 5) == 5
    assert "tokens/s" in Budgets(padded_tokens={32: 4}, tokens_per_s={32: 5.0}).describe()


@pytest.mark.parametrize(
    ("cores", "speeds", "expected"),
    [
        (2, {1: 0.6, 2: 1.0}, 2),  # half the cores, and a good deal slower
        (16, {8: 0.8, 15: 0.99, 16: 1.0}, 15),  # one is left for the threads beside the device
        (16, {8: 1.0, 15: 0.9, 16: 0.7}, 8),
        (1, {1: 1.0}, 1),
    ],
)
def test_the_fewest_threads_that_are_nearly_as_fast_are_used(
    cores: int, speeds: dict[int, float], expected: int
) -> None:
    model, used = OracleModel(), [cores]
    ran, now_s = 0, 0.0

    def clock() -> float:
        nonlocal ran, now_s
        now_s += (len(model.batches) - ran) / speeds[used[-1]]
        ran = len(model.batches)
        return now_s

    found = find_threads(model, cores, use=used.append, clock=clock)
    assert found.threads == used[-1] == expected
    assert set(found.tokens_per_s) == set(speeds)
