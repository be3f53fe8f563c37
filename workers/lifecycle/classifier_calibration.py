"""What a classifier's logits are worth: temperature, and how sure a model must be to give a label. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from workers.stages.classification import sureness
from workers.stages.results import RefusalRule

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_TEMPERATURES = np.geomspace(0.05, 20.0, 241)
_BINS = 15
_EDGES = 400  # thresholds tried


@dataclass(frozen=True, slots=True)
class Calibration:
    """Chosen on dev."""

    temperature: float
    rule: RefusalRule
    threshold: float  # an answer less sure than this is not given
    others_auroc: dict[str, float]  # by rule, against the texts that no label fits; empty where there were none


def probabilities(logits: Floats, temperature: float) -> Floats:
    """[N, L] -> [N, L]"""
    scaled = logits / temperature
    odds = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: Floats = odds / odds.sum(axis=1, keepdims=True)
    return result


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """The one with the best likelihood of the right labels (Guo et al. 2017, arXiv:1706.04599).

    The right label is taken to be certain up to 1 / (N + 2) (Platt 1999): a model that has all N dev texts right would
    else be told that it is never wrong.
    """
    doubt = 1 / (len(labels) + 2)
    losses = []
    for temperature in _TEMPERATURES:
        scaled = logits / temperature
        wanted = (1 - doubt) * scaled[np.arange(len(labels)), labels] + doubt * scaled.mean(axis=1)
        losses.append(float(np.mean(np.logaddexp.reduce(scaled, axis=1) - wanted)))
    return round(float(_TEMPERATURES[int(np.argmin(losses))]), 4)


def auroc(inside: Floats, outside: Floats) -> float:
    """How often a text of a label is surer than one of none; equal ones count half."""
    below = np.searchsorted(np.sort(outside), inside, side="left")
    not_above = np.searchsorted(np.sort(outside), inside, side="right")
    return float(np.mean(below + not_above) / (2 * len(outside)))


def calibration_error(probability: Floats, right: npt.NDArray[np.bool_]) -> float:
    """Expected calibration error over 15 bins of equal width, 0 to 1 (Naeini et al. 2015)."""
    bins = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    gaps = np.abs(np.bincount(bins, right - probability, minlength=_BINS))
    return float(gaps.sum() / len(probability))


def calibrate(logits: Floats, labels: Ints, others: Floats, *, keep: float) -> Calibration:
    """Fits on dev texts, [N, L] and [N], and on texts of no label, [M, L], M may be 0.

    With such texts: the rule that tells them best, and the threshold at which refused others and kept dev texts balance
    best. Without: the probability, and a threshold that refuses few. Neither refuses more than 1 - `keep` of the dev
    texts whose label is right.
    """
    temperature = fit_temperature(logits, labels)
    inside = {rule: sureness(logits / temperature, rule) for rule in get_args(RefusalRule)}
    right = logits.argmax(axis=1) == labels
    if not right.any():
        return Calibration(temperature, "probability", 0.0, {})
    if not len(others):
        return Calibration(
            temperature, "probability", _rounded(np.quantile(inside["probability"][right], 1 - keep)), {}
        )
    outside = {rule: sureness(others / temperature, rule) for rule in get_args(RefusalRule)}
    found = {rule: auroc(inside[rule], outside[rule]) for rule in inside}
    rule: RefusalRule = max(get_args(RefusalRule), key=lambda name: found[name])
    highest = float(np.quantile(inside[rule][right], 1 - keep))
    tried = np.append(np.quantile(np.concatenate([inside[rule], outside[rule]]), np.linspace(0, 1, _EDGES)), highest)
    tried = tried[tried <= highest]
    balance = [float(np.mean(inside[rule] >= edge) + np.mean(outside[rule] < edge)) for edge in tried]
    return Calibration(temperature, rule, _rounded(tried[int(np.argmax(balance))]), found)


def scores_in_percent(logits: Floats, labels: Ints, others: Floats, chosen: Calibration) -> dict[str, float]:
    """Accuracy, calibration and refusals on a test set, in percent."""
    likely = probabilities(logits, chosen.temperature)
    right = likely.argmax(axis=1) == labels
    sure = sureness(logits / chosen.temperature, chosen.rule)
    given = sure >= chosen.threshold
    scores = {
        "accuracy": float(right.mean()),
        "macro-F1": macro_f1(likely.argmax(axis=1), labels),
        "calibration error": calibration_error(likely.max(axis=1), right),
        "texts given a label": float(given.mean()),
        "accuracy of given labels": float(right[given].mean()) if given.any() else 0.0,
    }
    if len(others):
        strange = sureness(others / chosen.temperature, chosen.rule)
        scores["AUROC against texts of no label"] = auroc(sure, strange)
        scores["texts of no label refused"] = float((strange < chosen.threshold).mean())
    return {name: round(100 * value, 2) for name, value in scores.items()}


def macro_f1(predicted: Ints, labels: Ints) -> float:
    """Mean F1 of the labels that the texts have."""
    values: Sequence[float] = [
        2
        * float(np.sum((predicted == label) & (labels == label)))
        / float(np.sum(predicted == label) + np.sum(labels == label))
        for label in np.unique(labels)
    ]
    return float(np.mean(values))


def _rounded(value: float) -> float:
    """Down to four decimals, so that rounding refuses nothing more."""
    return float(np.floor(value * 1e4) / 1e4)
