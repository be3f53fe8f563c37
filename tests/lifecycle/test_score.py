"""Scores are what their formulas say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.lifecycle.score import Counts, accuracy, best_threshold, compare


def test_a_span_with_the_wrong_end_is_wrong_and_one_found_twice_counts_once() -> None:
    counts = compare([(0, 2, "PER"), (0, 2, "PER"), (5, 6, "LOC")], [(0, 2, "PER"), (5, 7, "LOC"), (9, 10, "ORG")])
    assert counts == Counts(right=1, predicted=2, wanted=3)
    assert counts.precision == pytest.approx(1 / 2)
    assert counts.recall == pytest.approx(1 / 3)
    assert counts.f1 == pytest.approx(2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3))


def test_nothing_found_and_nothing_wanted_is_no_division_by_zero() -> None:
    assert (Counts().f1, Counts().precision, Counts().recall) == (0.0, 0.0, 0.0)


def test_micro_scores_add_up() -> None:
    assert Counts(1, 2, 3) + Counts(4, 5, 6) == Counts(5, 7, 9)


def test_accuracy_counts_agreements() -> None:
    assert accuracy(["a", "b", "c", "d"], ["a", "x", "c", "y"]) == 0.5


@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), min_size=1, max_size=30), st.integers(0, 3))
def test_no_other_cut_is_better_than_the_chosen_threshold(cases: list[tuple[float, bool]], missed: int) -> None:
    scores, right = [case[0] for case in cases], [case[1] for case in cases]

    def f1(threshold: float) -> float:
        hits = sum(r for s, r in cases if s >= threshold)
        found = sum(s >= threshold for s in scores)
        return 2 * hits / (found + sum(right) + missed) if found + sum(right) + missed else 0.0

    threshold, stated = best_threshold(scores, right, missed=missed)
    if any(right):
        assert f1(threshold) == pytest.approx(stated)
        assert stated == pytest.approx(max(f1(score) for score in scores))
