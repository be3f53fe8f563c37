"""What is known of a set of records: counts, mixes, quantiles, top names. Tallies of two sets merge into that of both.

A mix is a distribution over named buckets. Its number of buckets is bounded: a hostile producer must not be able to
fill the memory with languages or labels of its own; what does not fit is counted as `OTHER`, so that sums stay exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from workers.insights.sketches import Quantiles, TopNames

OTHER = "(other)"
MAX_BUCKETS = 256

Mix = dict[str, int]


@dataclass(frozen=True, slots=True)
class Fact:
    """What one record adds to a tally. `mixes` maps a mix to its buckets and how often each came."""

    counts: Mapping[str, int]
    mixes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)  # one number for each quantile sketch
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class Tally:
    """Grows by records and by other tallies."""

    counts: dict[str, int] = field(default_factory=dict)
    mixes: dict[str, Mix] = field(default_factory=dict)
    quantiles: dict[str, Quantiles] = field(default_factory=dict)
    names: TopNames = field(default_factory=TopNames)

    def add(self, fact: Fact) -> None:
        self._count(fact.counts, fact.mixes)
        for name, value in fact.values.items():
            sketch = self.quantiles.get(name)
            if sketch is None:
                sketch = self.quantiles[name] = Quantiles()
            sketch.add(value)
        for name in fact.names:
            self.names.add(name)

    def merge(self, other: Tally) -> None:
        """Add all that `other` knows; `other` stays as it is."""
        self._count(other.counts, other.mixes)
        for name, sketch in other.quantiles.items():
            self.quantiles.setdefault(name, Quantiles()).merge(sketch)
        self.names.merge(other.names)

    def _count(self, counts: Mapping[str, int], mixes: Mapping[str, Mapping[str, int]]) -> None:
        own = self.counts
        for name, number in counts.items():
            own[name] = own.get(name, 0) + number
        for name, buckets in mixes.items():
            mix = self.mixes.get(name)
            if mix is None:
                mix = self.mixes[name] = {}
            for bucket, number in buckets.items():
                known = bucket in mix or len(mix) < MAX_BUCKETS
                into = bucket if known else OTHER
                mix[into] = mix.get(into, 0) + number

    def dump(self) -> dict[str, Any]:
        """As JSON values, for the changelog."""
        return {
            "counts": dict(self.counts),
            "mixes": {name: dict(mix) for name, mix in self.mixes.items()},
            "quantiles": {name: sketch.dump() for name, sketch in self.quantiles.items()},
            "names": self.names.dump(),
        }

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            counts=dict(value["counts"]),
            mixes={name: dict(mix) for name, mix in value["mixes"].items()},
            quantiles={name: Quantiles.load(text) for name, text in value["quantiles"].items()},
            names=TopNames.load(value["names"]),
        )
