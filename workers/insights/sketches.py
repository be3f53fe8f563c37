"""Mergeable sketches, from Apache DataSketches: quantiles and the most frequent names in bounded memory.

Both can be written down as text and read back, and the sketch of two windows is made of the windows' sketches.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Self

from datasketches import frequent_items_error_type, frequent_strings_sketch, tdigest_double

COMPRESSION = 100  # t-digest: some 50 centroids, at most 2.3 KB; errors are smallest at both ends
LG_SIZE = 9  # at most 512 slots for names; a count is off by at most 0.7 % of all


class Quantiles:
    """A t-digest (Dunning 2019): quantiles of numbers that are forgotten."""

    __slots__ = ("_digest",)

    def __init__(self, digest: tdigest_double | None = None) -> None:
        self._digest = digest if digest is not None else tdigest_double(COMPRESSION)

    def add(self, value: float) -> None:
        self._digest.update(value)

    def merge(self, other: Quantiles) -> None:
        if other.count:
            self._digest.merge(other._digest)

    @property
    def count(self) -> int:
        return int(self._digest.get_total_weight())

    def at(self, *ranks: float) -> Sequence[float] | None:
        """The quantiles at these ranks, 0 to 1; None if nothing was added."""
        return [float(self._digest.get_quantile(rank)) for rank in ranks] if self.count else None

    def dump(self) -> str:
        return base64.b85encode(self._digest.serialize()).decode("ascii")

    @classmethod
    def load(cls, text: str) -> Self:
        return cls(tdigest_double.deserialize(base64.b85decode(text)))


class TopNames:
    """The most frequent of any number of names (Misra-Gries with purges, as in Anderson et al. 2017)."""

    __slots__ = ("_sketch",)

    def __init__(self, sketch: frequent_strings_sketch | None = None) -> None:
        self._sketch = sketch if sketch is not None else frequent_strings_sketch(LG_SIZE)

    def add(self, name: str) -> None:
        self._sketch.update(name, 1)

    def merge(self, other: TopNames) -> None:
        if not other._sketch.is_empty():
            self._sketch.merge(other._sketch)

    def most(self, limit: int) -> list[tuple[str, int]]:
        """Names and how often they came, most first; a count may be too high by a share of the error above."""
        if self._sketch.is_empty():
            return []
        rows = self._sketch.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES, 1)
        return sorted(((str(row[0]), int(row[1])) for row in rows), key=lambda row: (-row[1], row[0]))[:limit]

    def dump(self) -> str:
        return base64.b85encode(self._sketch.serialize()).decode("ascii")

    @classmethod
    def load(cls, text: str) -> Self:
        return cls(frequent_strings_sketch.deserialize(base64.b85decode(text)))
