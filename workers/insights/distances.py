"""How far two distributions over named buckets are apart, and how far they may be by chance. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping

PSEUDO_COUNT = 0.5  # Jeffreys; an empty bucket would make the index infinite
Z_ONE_IN_TEN_THOUSAND = 3.719  # of the normal distribution: five measures, 144 windows a day, one false alarm in weeks

Counts = Mapping[str, int]


def population_stability(reference: Counts, window: Counts) -> float:
    """Population stability index: the symmetric Kullback-Leibler divergence (Jeffreys 1946) of smoothed shares. By the
    rule of thumb of credit scoring (Siddiqi 2006), below 0.1 is no change and above 0.25 is one."""
    return sum(contributions(reference, window).values())


def contributions(reference: Counts, window: Counts) -> dict[str, float]:
    """What each bucket adds to the index; none is negative."""
    buckets = reference.keys() | window.keys()
    one, other = shares(reference, buckets, PSEUDO_COUNT), shares(window, buckets, PSEUDO_COUNT)
    return {b: (other[b] - one[b]) * math.log(other[b] / one[b]) for b in sorted(buckets)}


def jensen_shannon(reference: Counts, window: Counts) -> float:
    """Jensen-Shannon distance, base 2 (Lin 1991; its root is a metric, Endres and Schindelin 2003): 0 for equal shares,
    1 if no bucket is in both. Of nothing to anything it is 0: nobody can tell."""
    if not sum(reference.values()) or not sum(window.values()):
        return 0.0
    buckets = reference.keys() | window.keys()
    one, other = shares(reference, buckets), shares(window, buckets)
    divergence = 0.0
    for bucket in sorted(buckets):
        middle = (one[bucket] + other[bucket]) / 2
        divergence += sum(s * math.log2(s / middle) / 2 for s in (one[bucket], other[bucket]) if s > 0)
    return math.sqrt(min(1.0, max(0.0, divergence)))


def chance_limit(buckets: int, reference_size: int, window_size: int) -> float:
    """The index that two samples of one distribution exceed once in ten thousand times: it is (1/n + 1/m) times a
    chi-squared with `buckets - 1` degrees of freedom (Yurdakul and Naranjo 2020), whose quantile is approximated as
    by Wilson and Hilferty (1931)."""
    freedom = max(1, buckets - 1)
    spread = 2 / (9 * freedom)
    quantile = freedom * (1 - spread + Z_ONE_IN_TEN_THOUSAND * math.sqrt(spread)) ** 3
    return quantile * (1 / max(1, reference_size) + 1 / max(1, window_size))


def shares(counts: Counts, buckets: set[str], pseudo_count: float = 0.0) -> dict[str, float]:
    whole = sum(counts.values()) + pseudo_count * len(buckets)
    return {bucket: (counts.get(bucket, 0) + pseudo_count) / whole for bucket in buckets}
