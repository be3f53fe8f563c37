"""Scores of predictions against labels. Pure functions of sets and lists; knows no model and no file."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """What a precision and a recall are made of."""

    right: int = 0
    predicted: int = 0
    wanted: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.right + other.right, self.predicted + other.predicted, self.wanted + other.wanted)

    @property
    def precision(self) -> float:
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.predicted + self.wanted) if self.predicted + self.wanted else 0.0


def compare(predicted: Iterable[Hashable], wanted: Iterable[Hashable]) -> Counts:
    """Strict: what is predicted is right only if it is wanted exactly so. Repeats count once."""
    ours, theirs = set(predicted), set(wanted)
    return Counts(len(ours & theirs), len(ours), len(theirs))


def accuracy(predicted: Sequence[Hashable], wanted: Sequence[Hashable]) -> float:
    return sum(a == b for a, b in zip(predicted, wanted, strict=True)) / max(1, len(wanted))


def best_threshold(scores: Sequence[float], right: Sequence[bool], *, missed: int = 0) -> tuple[float, float]:
    """The threshold with the best F1 over scored candidates, and that F1. `missed` are wanted ones without candidate.

    A threshold lies halfway between two scores, so that a score that moves in its last digit does not cross it.
    """
    ranked = sorted(zip(scores, right, strict=True), reverse=True)
    wanted = sum(right) + missed
    best, found, hits = (0.5, 0.0), 0, 0
    for number, (score, hit) in enumerate(ranked):
        found, hits = found + 1, hits + hit
        after = ranked[number + 1][0] if number + 1 < len(ranked) else 0.0
        f1 = 2 * hits / (found + wanted)
        if f1 > best[1] and after < score:
            best = ((score + after) / 2, f1)
    return best
