"""How far a measured figure could have come out otherwise: bootstrap intervals over the items of a test set.

Items are drawn again with replacement (Efron 1979); a statistic sees how often each was drawn. No loop over items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # weights of the items [B, N] -> figures [B, F]

DRAWS = 1_000
SEED = 20
_CHUNK_WEIGHTS = 4_000_000  # weights held at a time: 32 MB


@dataclass(frozen=True, slots=True)
class Intervals:
    """Figures of a test set as it is, and the bounds between which 95 % of the draws lie. All [F]."""

    values: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Draws test sets out of one. The same seed and number of items give the same draws, whatever is measured."""

    draws: int = DRAWS
    seed: int = SEED

    def measure(self, items: int, statistic: Statistic, *, centred: bool = False) -> Intervals:
        """The statistic of the items, and its 2.5 and 97.5 percentiles over the draws.

        `centred` gives value plus and minus 1.96 standard deviations instead: for a figure that grows with the noise
        of a draw, as a calibration error does, the percentiles would lie beside the value.
        """
        values = statistic(np.ones((1, items)))[0]
        drawn = np.concatenate([statistic(weights) for weights in self._weights(items)])
        if centred:
            spread = 1.96 * drawn.std(axis=0)
            return Intervals(values, np.maximum(values - spread, 0.0), values + spread)
        low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
        return Intervals(values, low, high)

    def _weights(self, items: int) -> Iterator[Floats]:
        """[B, N] how often each item was drawn; every row sums to N."""
        rng = np.random.default_rng(self.seed)
        rows = max(1, _CHUNK_WEIGHTS // max(1, items))
        for begin in range(0, self.draws, rows):
            count = min(rows, self.draws - begin)
            drawn = rng.integers(0, items, size=(count, items)) + np.arange(count)[:, None] * items
            counted = np.bincount(drawn.ravel(), minlength=count * items)
            yield counted.reshape(count, items).astype(np.float64)


def of_sums(columns: Floats, formula: Callable[[Floats], Floats]) -> Statistic:
    """A statistic that needs no more of the items than the sums of their columns: [N, K] and [B, K] -> [B, F]."""
    return lambda weights: formula(weights @ columns)
