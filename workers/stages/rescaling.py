"""A calibration of one stage as merging applies it: to scores that passed the model's own thresholds, and to no other.

So it can only take away, and the results of windows, which the cache holds, do not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.calibration import calibrated

DECIMALS = 4  # as scores have them elsewhere


@dataclass(frozen=True, slots=True)
class Rescaling:
    """Temperature, and published scores from which on a type or label counts."""

    temperature: float
    thresholds: Mapping[str, float]

    def score(self, own: float) -> float:
        """The published score for the model's own."""
        return own if self.temperature == 1.0 else round(calibrated(own, self.temperature), DECIMALS)

    def limit(self, name: str, min_score: float | None) -> float:
        """Of published scores: the type's, and never below what the settings ask for."""
        return max(self.thresholds.get(name, 0.0), min_score or 0.0)
