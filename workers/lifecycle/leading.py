"""How far a summary of several sentences is drawn to the start of its document.

The few documents that may be learned from are of many kinds, and tell little about where a kind says what matters; news
says it first, so much so that its first three sentences are hard to beat as its summary (Nallapati et al. 2017,
SummaRuNNer). So the pull is the strongest that the documents do not speak against: the one-standard-error rule (Breiman
et al. 1984, Classification and Regression Trees), with the start of the document as the simple model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from workers.lifecycle.overlap import overlaps
from workers.lifecycle.salience import ReadDocument
from workers.stages.results import Weights
from workers.stages.summary import choose, evidence

LEADS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)  # weights of the logarithm of a sentence's place
SENTENCES = 3  # of the summaries that are compared

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """A document and what a head that did not see it says."""

    document: ReadDocument
    logits: Floats  # [S]
    weight: float  # of the document among all
    fold: int


def strongest_lead(documents: Sequence[Judged], leads: Sequence[float], fit: Callable[[int, float], Weights]) -> float:
    """Of `leads`, rising, the last whose summaries are within one standard error of the best ones'.

    `fit` gives weights for a pull, fitted without the documents of a fold.
    """
    folds = sorted({judged.fold for judged in documents})
    scores = []
    for lead in leads:
        weights = {fold: fit(fold, lead) for fold in folds}
        scores.append(np.array([gain(judged, weights[judged.fold]) for judged in documents]))
    best = max(scores, key=lambda score: float(score.mean()))
    near = [lead for lead, score in zip(leads, scores, strict=True) if within_one_error(best - score)]
    return near[-1]


def gain(judged: Judged, weights: Weights) -> float:
    """Overlap of the summary by these weights with what people wrote."""
    document = judged.document
    *merits, redundancy = astuple(weights)
    vectors = document.vectors.double().numpy()
    merit = evidence(judged.logits, vectors, document.tokens.numpy()) @ np.array(merits)
    chosen = choose(np.where(document.allowed, merit, -np.inf), vectors, SENTENCES, redundancy=redundancy)
    return float(overlaps(document.sentences, document.references, np.array([sorted(chosen)]))[0])


def within_one_error(losses: Floats) -> bool:
    """Whether the mean of paired losses is at most its standard error."""
    return bool(losses.mean() <= losses.std(ddof=1) / np.sqrt(len(losses)) + 1e-12)
