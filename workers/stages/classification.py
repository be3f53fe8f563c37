"""Classification: from scores per window to the labels of the document, or to an abstention."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas import Classification, Label
from workers.stages.results import ClassificationResult

CODE_VERSION = "1"
CANDIDATES = 3


def merge_classification(
    labels: Sequence[str],
    results: Sequence[ClassificationResult],
    *,
    temperature: float,
    min_score: float,
    multi_label: bool,
) -> Classification:
    """The labels of the document.

    A window's raw scores count by its number of tokens; the softmax of their mean over `temperature` gives
    probabilities. The best label is given if it reaches `min_score`, with `multi_label` every one that does; if none
    does the stage abstains.
    """
    raw = np.array([result.scores for result in results], dtype=np.float64)  # [W, L]
    weights = np.array([max(result.weight, 1) for result in results], dtype=np.float64)  # [W]
    logits = weights @ raw / weights.sum() / temperature
    odds = np.exp(logits - logits.max())
    probabilities = np.round(odds / odds.sum(), 4)
    best_first = np.argsort(-probabilities, kind="stable")
    ranked = [Label(name=labels[i], score=float(probabilities[i])) for i in best_first]
    passed = tuple(label for label in ranked if label.score >= min_score)
    given = passed if multi_label else passed[:1]
    return Classification(labels=given, abstained=not given, candidates=tuple(ranked[:CANDIDATES]))
