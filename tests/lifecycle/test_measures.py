"""The formulas say what a count by hand says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.lifecycle.bootstrap import Floats, Statistic
from workers.lifecycle.measures import auroc, calibration_error, grouped_prf, label_scores, means

COUNTS = st.lists(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=2),
    min_size=1,
    max_size=12,
)
SCORED = st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.3001, 0.5, 0.9]), st.booleans()), min_size=1, max_size=25)


def value(statistic: Statistic, items: int) -> Floats:
    found: Floats = statistic(np.ones((1, items)))[0]
    return found


def repeated(statistic: Statistic, drawn: list[int], items: int) -> Floats:
    weights = np.bincount(drawn, minlength=items).astype(np.float64)
    found: Floats = statistic(weights[None])[0]
    return found


@given(COUNTS)
def test_a_group_is_scored_as_its_summed_counts(rows: list[list[tuple[int, int, int]]]) -> None:
    counts = np.array([[(min(r, p, w), p, w) for r, p, w in row] for row in rows], dtype=np.float64)
    found = value(grouped_prf(counts, np.array([[1.0, 1.0], [0.0, 1.0]])), len(counts))
    for group, types in enumerate(([0, 1], [1])):
        right, predicted, wanted = counts[:, types].sum(axis=(0, 1))
        precision = right / predicted if predicted else 0.0
        recall = right / wanted if wanted else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        assert found[3 * group : 3 * group + 3] == pytest.approx([precision, recall, f1])


@given(SCORED)
def test_auroc_is_the_share_of_pairs_in_order_with_ties_half(rows: list[tuple[float, bool]]) -> None:
    scores, positive = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[positive] for n in scores[~positive]]
    assert value(auroc(scores, positive), len(rows))[0] == pytest.approx(np.mean(pairs) if pairs else 0.0)


@settings(max_examples=30)
@given(SCORED, st.randoms(use_true_random=False))
def test_a_weight_of_two_is_the_item_twice(rows: list[tuple[float, bool]], random: object) -> None:
    assert hasattr(random, "choices")
    drawn = random.choices(range(len(rows)), k=len(rows))
    scores, flags = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    again = repeated(auroc(scores, flags), drawn, len(rows))
    assert again == pytest.approx(value(auroc(scores[drawn], flags[drawn]), len(rows)))
    mean = repeated(means(scores[:, None]), drawn, len(rows))
    assert mean == pytest.approx([scores[drawn].mean()])


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30))
def test_macro_f1_is_the_mean_over_the_labels_that_occur(rows: list[tuple[int, int]]) -> None:
    predicted, wanted = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])  # 4 is no label
    by_label = []
    for label in sorted(set(wanted.tolist())):
        right = int(((predicted == label) & (wanted == label)).sum())
        by_label.append(2 * right / (int((predicted == label).sum()) + int((wanted == label).sum())))
    found = value(label_scores(predicted, wanted, 4), len(rows))
    assert found == pytest.approx([(predicted == wanted).mean(), np.mean(by_label)])


def test_calibration_error_of_answers_that_are_as_often_right_as_they_say_is_zero() -> None:
    confidence = np.repeat([0.25, 0.75], 8)
    right = np.array([True] * 2 + [False] * 6 + [True] * 6 + [False] * 2)
    assert value(calibration_error(16, np.arange(16), confidence, right), 16)[0] == pytest.approx(0)


def test_calibration_error_of_the_overconfident_is_what_they_say_too_much() -> None:
    confidence, right = np.full(10, 0.9), np.array([True] * 6 + [False] * 4)
    owners = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2])
    assert value(calibration_error(3, owners, confidence, right), 3)[0] == pytest.approx(0.3)


def test_bins_hold_equally_many_answers_so_that_errors_of_both_signs_do_not_cancel() -> None:
    confidence = np.concatenate([np.linspace(0.50, 0.52, 50), np.linspace(0.97, 0.99, 50)])
    right = np.array([True] * 50 + [False] * 50)
    error = value(calibration_error(100, np.arange(100), confidence, right), 100)[0]
    assert error == pytest.approx((0.49 + 0.98) / 2, abs=0.05)


@given(SCORED)
def test_calibration_error_lies_between_none_and_all(rows: list[tuple[float, bool]]) -> None:
    scores, right = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    error = value(calibration_error(len(rows), np.arange(len(rows)), scores, right), len(rows))[0]
    assert abs(right.mean() - scores.mean()) - 1e-9 <= error <= 1
