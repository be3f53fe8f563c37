"""Classification: from scores per window to the labels of the document, or to an abstention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from schemas import Classification, Label
from workers.stages.rescaling import Rescaling
from workers.stages.results import REFUSE, ClassificationResult, RefusalRule

CODE_VERSION = "2"
CANDIDATES = 3

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A text of which the model is less sure than this by its rule gets no label."""

    rule: RefusalRule
    below: float

    @classmethod
    def of(cls, thresholds: Mapping[str, float]) -> Refusal | None:
        """The one among a model's thresholds, if there is one."""
        for rule in get_args(RefusalRule):
            if (below := thresholds.get(REFUSE + rule)) is not None:
                return cls(rule, below)
        return None


def sureness(logits: Floats, rule: RefusalRule) -> Floats:
    """[N, L] logits over temperature -> [N].

    The highest probability (Hendrycks & Gimpel 2017, arXiv:1610.02136), the free energy turned round (Liu et al. 2020,
    arXiv:2010.03759), or the highest logit (Hendrycks et al. 2022, arXiv:1911.11132).
    """
    highest: Floats = logits.max(axis=1)
    if rule == "logit":
        return highest
    energy: Floats = np.logaddexp.reduce(logits, axis=1)
    return energy if rule == "energy" else np.exp(highest - energy)


def merge_classification(
    labels: Sequence[str],
    results: Sequence[ClassificationResult],
    *,
    temperature: float,
    min_score: float,
    multi_label: bool,
    refusal: Refusal | None = None,
    independent: bool = False,
    rescaling: Rescaling | None = None,
) -> Classification:
    """The labels of the document.

    A window's raw scores count by its number of tokens; the softmax of their mean over `temperature` gives
    probabilities, the sigmoid of each where labels are `independent`. The best label is given if it reaches
    `min_score`, with `multi_label` every one that does; if none does the stage abstains, and so it does where `refusal`
    says that no label fits. With `rescaling` a label must also reach its threshold there, by its new score.
    """
    raw = np.array([result.scores for result in results], dtype=np.float64)  # [W, L]
    weights = np.array([max(result.weight, 1) for result in results], dtype=np.float64)  # [W]
    logits = weights @ raw / weights.sum() / temperature
    # The sigmoid as exp(-log(1 + exp(-x))): it does not overflow.
    log_shares = -np.logaddexp(0, -logits) if independent else logits - np.logaddexp.reduce(logits)
    probabilities = np.round(np.exp(log_shares), 4)
    best_first = np.argsort(-probabilities, kind="stable")
    refused = refusal is not None and sureness(logits[None], refusal.rule)[0] < refusal.below
    passes = np.full(len(labels), not refused) & (probabilities >= min_score)
    if rescaling is not None:
        probabilities = np.array([rescaling.score(own) for own in probabilities.tolist()])
        passes &= probabilities >= [rescaling.limit(label, min_score) for label in labels]
    given = [i for i in best_first[: None if multi_label else 1].tolist() if passes[i]]

    def ranked(numbers: Sequence[int]) -> tuple[Label, ...]:
        return tuple(Label(name=labels[i], score=float(probabilities[i])) for i in numbers)

    return Classification(
        labels=ranked(given), abstained=not given, candidates=ranked(best_first[:CANDIDATES].tolist())
    )
