"""A temperature and thresholds from verdicts, each kept only if it helps on documents that its fit did not see.

Verdicts are split into folds by document. What is proposed is fitted to all of them; whether it is proposed is decided
by fits that leave a fold out and are judged on that fold. Pure functions; scores are the model's own, not calibrated.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas import HeadCalibration, JudgedType
from schemas.calibration import calibrated, log_odds
from workers.settings import CalibrationSettings

FOLDS = 5
MOST_JUDGED = 5_000  # the newest of a stage; a fit of so many takes a fifth of a second
FEWEST_OF_A_KIND = 10  # right ones, and wrong ones: of less a fit knows nothing
COLDEST, HOTTEST = 0.5, 3.0  # temperatures that a fit may come to
HIGHEST = 0.95  # threshold, of the model's own scores
HIGHEST_PUBLISHED = 0.99
GAIN_F1 = 0.01  # on held-out documents, below which a threshold is not worth a change
Z = 1.96  # the temperature's gain must be more than this many of its standard errors
STEPS = 25  # of Newton's method

Groups = Mapping[tuple[str, str, str], "Sequence[Judged]"]  # (model, revision, stage) -> verdicts, oldest first


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict on an item that had a score."""

    document: str  # hexadecimal digits that are evenly spread, the same for all items of a document
    given: str
    score: float
    right: bool

    @property
    def fold(self) -> int:
        return int(self.document, 16) % FOLDS


def refit(judged: Sequence[Judged], wanted: CalibrationSettings) -> HeadCalibration | None:
    """None if there are too few verdicts, or nothing that helps."""
    judged = judged[-MOST_JUDGED:]
    temperature, before, after = fit_temperature(judged, wanted.min_judged)
    thresholds, types = fit_thresholds(judged, wanted.min_type_judged)
    if temperature == 1.0 and not thresholds:
        return None
    return HeadCalibration(
        temperature=temperature,
        thresholds={
            given: min(HIGHEST_PUBLISHED, round(calibrated(own, temperature), 4)) for given, own in thresholds.items()
        },
        judged=len(judged),
        log_loss_before=round(before, 4),
        log_loss_after=round(after, 4),
        types=types,
    )


def fit_temperature(judged: Sequence[Judged], fewest: int) -> tuple[float, float, float]:
    """The temperature, 1 if none helps, and the held-out loss without and with it."""
    before = [loss(item, 1.0) for item in judged]
    if not enough(judged, fewest):
        return 1.0, mean(before), mean(before)
    fitted = [inverse_temperature(others(judged, fold)) for fold in range(FOLDS)]
    after = [loss(item, fitted[item.fold]) for item in judged]
    if not helps(before, after):
        return 1.0, mean(before), mean(before)
    return round(1.0 / inverse_temperature(judged), 4), mean(before), mean(after)


def fit_thresholds(judged: Sequence[Judged], fewest: int) -> tuple[dict[str, float], dict[str, JudgedType]]:
    """By type those that help, and what they do to held-out documents."""
    by_type: dict[str, list[Judged]] = defaultdict(list)
    for item in judged:
        by_type[item.given].append(item)
    thresholds, types = {}, {}
    for given, items in sorted(by_type.items()):
        threshold = best_threshold(items) if enough(items, fewest) else 0.0
        if threshold and (held_out := judge_threshold(items)) is not None:
            thresholds[given], types[given] = threshold, held_out
    return thresholds, types


def enough(judged: Sequence[Judged], fewest: int) -> bool:
    right = sum(item.right for item in judged)
    return len(judged) >= fewest and min(right, len(judged) - right) >= FEWEST_OF_A_KIND


def others(judged: Sequence[Judged], fold: int) -> list[Judged]:
    return [item for item in judged if item.fold != fold]


def inverse_temperature(judged: Sequence[Judged]) -> float:
    """The factor on the scores' log-odds under which the verdicts are likeliest (Guo et al. 2017, arXiv:1706.04599).

    The likelihood is concave in it, so Newton's method finds it; kept within bounds.
    """
    pairs = [(log_odds(item.score), item.right) for item in judged]
    factor, lowest, highest = 1.0, 1.0 / HOTTEST, 1.0 / COLDEST
    for _ in range(STEPS):
        slope = curvature = 0.0
        for odds, right in pairs:
            sure = 1.0 / (1.0 + math.exp(-factor * odds))
            slope += odds * (right - sure)
            curvature += odds * odds * sure * (1.0 - sure)
        if curvature < 1e-9:
            return 1.0
        last, factor = factor, min(max(factor + slope / curvature, lowest), highest)
        if abs(factor - last) < 1e-6:
            break
    return factor


def loss(item: Judged, factor: float) -> float:
    """Of a verdict, in nats."""
    odds = factor * log_odds(item.score)
    return math.log1p(math.exp(-odds if item.right else odds))


def helps(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether the losses fell by more than chance allows, item by item."""
    gains = [one - other for one, other in zip(before, after, strict=True)]
    middle = mean(gains)
    spread = math.sqrt(sum((gain - middle) ** 2 for gain in gains) / max(1, len(gains) - 1))
    return middle > Z * spread / math.sqrt(len(gains))


def best_threshold(judged: Sequence[Judged]) -> float:
    """From which score on, so that F1 is best over the judged items; 0 if all should stay.

    Right items that are left out count as missed. Of what was never published nobody knows, so it can only go up.
    """
    rows = sorted((item.score, item.right) for item in judged)
    everything = sum(right for _, right in rows)
    kept_right, best, threshold = everything, f1(everything, len(rows), everything), 0.0
    for place in range(1, len(rows)):
        (below, dropped), (above, _) = rows[place - 1], rows[place]
        kept_right -= dropped
        value = f1(kept_right, len(rows) - place, everything)
        if below < above <= HIGHEST and value > best:
            best, threshold = value, (below + above) / 2
    return threshold


def judge_threshold(judged: Sequence[Judged]) -> JudgedType | None:
    """What thresholds do to documents they were not fitted to; None if that is no gain."""
    limits = [best_threshold(others(judged, fold)) for fold in range(FOLDS)]
    kept = [item for item in judged if item.score >= limits[item.fold]]
    right, kept_right = sum(item.right for item in judged), sum(item.right for item in kept)
    gain = f1(kept_right, len(kept), right) - f1(right, len(judged), right)
    if gain < GAIN_F1:
        return None
    return JudgedType(
        judged=len(judged),
        precision_before=round(right / len(judged), 4),
        precision_after=round(kept_right / len(kept), 4),
        right_kept=round(kept_right / right, 4),
    )


def f1(kept_right: int, kept: int, right: int) -> float:
    return 2 * kept_right / (kept + right) if kept + right else 0.0


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
