"""Zero-shot labels: the temperature that makes probabilities of cosines, and how often the best label is right."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.base import StageName
from workers.lifecycle.answers import answer, whole
from workers.models.shared import SharedEncoderModel
from workers.stages.results import ClassificationResult

CHOICES = 7  # labels offered at a time when the temperature is fitted: as many as the default settings have
_TEMPERATURES = np.geomspace(0.01, 0.5, 80)


def readable(label: str) -> str:
    """`card_not_working` -> `card not working`."""
    return label.replace("_", " ").strip().lower()


def cosines_of(model: SharedEncoderModel, texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """[N, labels], from the first window of each text."""
    results = [found[StageName.CLASSIFICATION] for found in answer(model, whole(model, texts))]
    assert all(isinstance(result, ClassificationResult) for result in results)
    return np.array([result.scores for result in results if isinstance(result, ClassificationResult)])


def fit_temperature(cosines: npt.NDArray[np.float64], right: Sequence[int], *, seed: int) -> float:
    """The temperature with the best likelihood when the right label stands among six others drawn at random."""
    rng = random.Random(seed)  # noqa: S311
    labels = range(cosines.shape[1])
    offered = np.array(
        [[here, *rng.sample([other for other in labels if other != here], CHOICES - 1)] for here in right]
    )
    chosen = np.take_along_axis(cosines, offered, axis=1)  # [N, CHOICES] the right one first
    losses = []
    for temperature in _TEMPERATURES:
        logits = chosen / temperature
        losses.append(float(np.mean(np.logaddexp.reduce(logits, axis=1) - logits[:, 0])))
    return round(float(_TEMPERATURES[int(np.argmin(losses))]), 4)
