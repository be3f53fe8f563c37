"""One worker as a queue: what it can do, and how long a document stays in it.

The model is M/G/1 with gated service and a set-up time. Documents arrive at random (Poisson). An epoch takes whatever
has arrived, which is the gate; it costs a fixed time V (polling, overheads, the transaction) and a time S for each of
its documents; a document is out when its epoch is. Gated service: Bertsekas and Gallager, Data Networks, 2nd edition,
section 3.5.2 (reservation systems); Takagi, Analysis of Polling Systems, 1986. From the cycle T' = V + sum of S over
the arrivals of T, with r = rate x E[S]:

    E[T] = V / (1 - r)          Var[T] = rate E[T] E[S^2] / (1 - r^2)

A document falls into a cycle with probability proportional to its length, waits for the rest of it, half on average,
and then for its own epoch, V + S + r T. Hence the mean, with B = E[T^2] / E[T]:

    E[D] = (1/2 + r) B + V + E[S]

A percentile takes every part at that percentile at once, the cycle as lognormal and the arrival at its beginning: on
the safe side. The model is careful in two more ways: epochs follow each other, where a worker overlaps them, and an
idle worker spins where a real one begins at once. It has no limit on the documents of an epoch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

Z99 = NormalDist().inv_cdf(0.99)


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of documents, lognormal: about what texts of one kind are."""

    p50: float
    p99: float

    def __post_init__(self) -> None:
        if not 0 < self.p50 <= self.p99:
            raise ValueError(f"p50={self.p50:g} and p99={self.p99:g} must be positive and in this order")

    @property
    def sigma(self) -> float:
        return math.log(self.p99 / self.p50) / Z99

    @property
    def mean(self) -> float:
        return self.p50 * math.exp(self.sigma**2 / 2)

    @property
    def second_moment(self) -> float:
        return self.p50**2 * math.exp(2 * self.sigma**2)

    def quantile(self, share: float) -> float:
        return self.p50 * math.exp(self.sigma * NormalDist().inv_cdf(share))


@dataclass(frozen=True, slots=True)
class GatedQueue:
    """One worker under one load."""

    lengths: Lengths
    tokens_per_s: float
    epoch_s: float  # V
    documents_per_s: float  # that arrive

    @property
    def service_s(self) -> float:
        return self.lengths.mean / self.tokens_per_s

    @property
    def utilization(self) -> float:
        """The share of its time that the worker works; from 1 on the backlog grows for ever."""
        return self.documents_per_s * self.service_s

    @property
    def mean_latency_s(self) -> float:
        """From arrival to the end of the document's epoch; infinite if the worker cannot keep up."""
        busy = self.utilization
        if busy >= 1:
            return math.inf
        biased_s = self.epoch_s / (1 - busy) + self._epoch_variance_s2 * self.documents_per_s / (1 - busy**2)
        return (0.5 + busy) * biased_s + self.epoch_s + self.service_s

    def latency_s(self, share: float) -> float:
        """What this share of the documents stays below."""
        busy = self.utilization
        if busy >= 1:
            return math.inf
        own_s = self.lengths.quantile(share) / self.tokens_per_s
        spread = math.log1p(self.documents_per_s * self._epoch_variance_s2 / (self.epoch_s * (1 + busy)))
        cycle_s = self.epoch_s / (1 - busy) * math.exp(spread / 2 + NormalDist().inv_cdf(share) * math.sqrt(spread))
        return (1 + busy) * cycle_s + self.epoch_s + own_s

    @property
    def _epoch_variance_s2(self) -> float:
        """E[S^2]: how much a document's own time adds to the variance of its epoch."""
        return self.lengths.second_moment / self.tokens_per_s**2
