"""A fit is proposed if it helps on documents that it did not see; chance, too few and too little say no."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calibration import calibrated, uncalibrated
from workers.insights.refit import Judged, best_threshold, judge_threshold, refit
from workers.settings import CalibrationSettings

WANTED = CalibrationSettings()


def verdicts(count: int, chance: Callable[[float], float], *, seed: int = 1, given: str = "PER") -> list[Judged]:
    """Scores from 0.5 on; an item is right with the chance of its score. Two to a document."""
    rng = random.Random(seed)
    scores = [rng.uniform(0.5, 0.999) for _ in range(count)]
    return [
        Judged(random.Random(f"{seed}/{n // 2}").randbytes(6).hex(), given, s, rng.random() < chance(s))
        for n, s in enumerate(scores)
    ]


@pytest.mark.parametrize("temperature", [0.7, 1.6, 2.5])
def test_scores_that_are_too_sure_or_not_sure_enough_are_found_out(temperature: float) -> None:
    found = refit(verdicts(3_000, lambda score: calibrated(score, temperature)), WANTED)
    assert found is not None
    assert found.temperature == pytest.approx(temperature, rel=0.2)
    assert found.log_loss_after < found.log_loss_before


def test_a_type_that_is_wrong_up_to_a_score_gets_a_threshold_there() -> None:
    judged = verdicts(400, lambda score: 0.05 if score < 0.75 else 0.95, given="ORG")
    found = refit(judged, WANTED)
    assert found is not None
    assert uncalibrated(found.thresholds["ORG"], found.temperature) == pytest.approx(0.75, abs=0.02)
    told = found.types["ORG"]
    assert told.precision_before < 0.6
    assert told.precision_after > 0.9
    assert told.right_kept > 0.9


def test_scores_that_are_right_are_left_alone() -> None:
    proposed = [refit(verdicts(600, lambda score: score, seed=seed), WANTED) for seed in range(30)]
    assert sum(found is not None for found in proposed) <= 2  # 95 % of one side, and a threshold needs a point of F1


def test_what_helps_the_documents_it_was_fitted_to_and_no_others_is_not_proposed() -> None:
    """The check can fail: nothing in the scores tells right from wrong, yet a threshold fits most samples."""
    samples = [verdicts(60, lambda score: 0.5, seed=seed, given="MISC") for seed in range(200)]
    fitted = [judged for judged in samples if best_threshold(judged) > 0]
    assert len(fitted) > 60
    assert sum(judge_threshold(judged) is not None for judged in fitted) < 0.1 * len(fitted)


def test_documents_are_not_torn_apart() -> None:
    judged = verdicts(100, lambda score: score)
    assert all(one.fold == other.fold for one, other in zip(judged[::2], judged[1::2], strict=True))
    assert len({item.fold for item in judged}) == 5


@pytest.mark.parametrize(("count", "right"), [(59, 0.5), (400, 1.0), (400, 0.0), (400, 0.99), (0, 0.5)])
def test_too_few_or_all_alike_say_nothing(count: int, right: float) -> None:
    assert refit(verdicts(count, lambda score: right), WANTED) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from("AB"), st.floats(0, 1), st.booleans()), min_size=60, max_size=120
    )
)
def test_whatever_was_judged_it_stays_within_bounds(rows: list[tuple[int, str, float, bool]]) -> None:
    judged = [Judged(f"{document:06x}", *rest) for document, *rest in rows]  # type: ignore[arg-type]
    found = refit(judged, CalibrationSettings(min_judged=50, min_type_judged=20))
    if found is not None:
        assert 0.5 <= found.temperature <= 3.0
        assert set(found.types) == set(found.thresholds)
        assert all(0 <= threshold <= 0.99 for threshold in found.thresholds.values())
        assert found.log_loss_after <= found.log_loss_before


@given(st.floats(0.05, 0.95), st.floats(0.5, 3.0))
def test_a_score_comes_back_from_its_calibration(score: float, temperature: float) -> None:
    assert uncalibrated(calibrated(score, temperature), temperature) == pytest.approx(score, abs=1e-3)
