"""Temperature, refusal and the figures, on numbers made so that the right answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.lifecycle.classifier_calibration import (
    Floats,
    Ints,
    auroc,
    calibrate,
    calibration_error,
    fit_temperature,
    macro_f1,
    probabilities,
    scores_in_percent,
)
from workers.stages.classification import Refusal, merge_classification, sureness
from workers.stages.results import ClassificationResult, RefusalRule

NOBODY: Floats = np.zeros((0, 5))


def sampled(temperature: float, *, texts: int = 4_000, labels: int = 5) -> tuple[Floats, Ints]:
    """Logits, and labels drawn from what they say at that temperature."""
    rng = np.random.default_rng(3)
    logits: Floats = rng.normal(0, 3, size=(texts, labels))
    shares = probabilities(logits, temperature)
    return logits, np.array([rng.choice(labels, p=row) for row in shares])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found_and_calibrates(temperature: float) -> None:
    logits, labels = sampled(temperature)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.08)
    right = logits.argmax(axis=1) == labels
    assert calibration_error(probabilities(logits, found).max(axis=1), right) < 0.03
    assert calibration_error(probabilities(logits, found / 5).max(axis=1), right) > 0.05


def test_a_model_without_mistakes_on_few_texts_is_not_taken_to_be_certain() -> None:
    logits, labels = 8 * np.eye(5), np.arange(5)
    found = fit_temperature(logits, labels)
    assert 0.8 < probabilities(logits, found).max() < 0.95


@given(
    inside=st.lists(st.integers(0, 6), min_size=1, max_size=20),
    outside=st.lists(st.integers(0, 6), min_size=1, max_size=20),
)
def test_auroc_counts_pairs(inside: list[int], outside: list[int]) -> None:
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in inside for b in outside]
    assert auroc(np.array(inside, dtype=float), np.array(outside, dtype=float)) == pytest.approx(np.mean(pairs))


def test_without_other_texts_the_threshold_keeps_most_right_answers() -> None:
    logits, labels = sampled(1.0)
    chosen = calibrate(logits, labels, NOBODY, keep=0.95)
    right = logits.argmax(axis=1) == labels
    kept = sureness(logits / chosen.temperature, chosen.rule)[right] >= chosen.threshold
    assert chosen.rule == "probability"
    assert kept.mean() == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize(
    ("others", "rules"), [("flat", {"probability", "energy", "logit"}), ("low", {"energy", "logit"})]
)
def test_other_texts_choose_the_rule_that_tells_them(others: str, rules: set[str]) -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 5, 300)
    logits: Floats = rng.normal(0, 0.5, (300, 5)) + 8 * np.eye(5)[labels]
    strange: Floats = rng.normal(0, 0.5, (100, 5))
    if others == "low":  # as sure of one label as ever, but all logits are far below
        strange = strange + 8 * np.eye(5)[rng.integers(0, 5, 100)] - 20
    chosen = calibrate(logits, labels, strange, keep=0.97)
    assert chosen.rule in rules
    scores = scores_in_percent(logits, labels, strange, chosen)
    assert scores["AUROC against texts of no label"] > 99
    assert scores["texts of no label refused"] > 95
    assert scores["texts given a label"] >= 96.5


def test_a_model_that_is_never_right_refuses_nothing() -> None:
    logits = np.eye(5)[[0, 1, 2]] * 9
    assert calibrate(logits, np.array([1, 2, 3]), NOBODY, keep=0.9).threshold == 0.0


def test_macro_f1_by_hand() -> None:
    # label 0: 1 of 2 found, 1 wrong guess more -> 0.5; label 1: found, with one wrong guess -> 2/3
    assert macro_f1(np.array([0, 1, 0, 1]), np.array([0, 0, 2, 1])) == pytest.approx((0.5 + 2 / 3 + 0) / 3)


@pytest.mark.parametrize("rule", ["probability", "energy", "logit"])
def test_a_document_is_refused_just_below_its_threshold(rule: RefusalRule) -> None:
    raw = (2.0, 0.5, -1.0)
    own = float(sureness(np.array([raw]) / 0.5, rule)[0])

    def given_at(below: float) -> bool:
        merged = merge_classification(
            ("a", "b", "c"),
            [ClassificationResult(raw, 4)],
            temperature=0.5,
            min_score=0.0,
            multi_label=False,
            refusal=Refusal(rule, below),
        )
        assert merged.abstained == (not merged.labels)
        return bool(merged.labels)

    assert given_at(own - 1e-6)
    assert not given_at(own + 1e-6)
