"""What each part of a text does to its best label: leave it out, and see how much less sure the model is.

Erasure as in Li, Monroe and Jurafsky 2016 (arXiv:1612.08220), by log-odds, the weight of evidence of Robnik-Sikonja and
Kononenko (2008, doi:10.1109/TKDE.2007.190734). It asks the model and looks into nothing, so it works for any.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas import Classification
from schemas.calibration import log_odds

WORD = re.compile(r"\S{1,24}")  # where a script puts no space between words, so many characters are one
LEAST = 5e-5  # half of the last decimal of a score: nearer to 0 or 1 the odds are not known

Classify = Callable[[Sequence[str]], Sequence[Classification | None]]  # texts -> their labels; None: no answer


@dataclass(frozen=True, slots=True)
class Part:
    """A slice of the text, `text[start:end]`, and what it adds to the label's log-odds; below 0 it speaks against."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of one label. `words_in_part` are more than one in long texts: there are only so many parts."""

    label: str
    score: float
    words_in_part: int
    parts: tuple[Part, ...]


def explain(text: str, found: Classification, classify: Classify, *, most_parts: int) -> Explanation | None:
    """None if no label can be told of, or the text has one part only. Asks for as many texts as there are parts."""
    spans, words_in_part = parts_of(text, most_parts)
    if not found.candidates or len(spans) < 2:
        return None
    best = found.candidates[0]
    answers = classify([text[:start] + text[end:] for start, end in spans])
    whole = odds(best.score)
    parts = tuple(
        Part(start, end, round(whole - odds(score_of(best.name, answer)), 4) if answer else 0.0)
        for (start, end), answer in zip(spans, answers, strict=True)
    )
    return Explanation(best.name, best.score, words_in_part, parts)


def parts_of(text: str, most: int) -> tuple[list[tuple[int, int]], int]:
    """Slices of equally many words, at most `most` of them, and that many."""
    words = [match.span() for match in WORD.finditer(text)]
    size = max(1, -(-len(words) // most))
    groups = [words[at : at + size] for at in range(0, len(words), size)]
    return [(group[0][0], group[-1][1]) for group in groups], size


def score_of(label: str, found: Classification) -> float:
    """A label that is not among the best is at most as likely as the last of them."""
    named = {candidate.name: candidate.score for candidate in found.candidates}
    return named.get(label, min(named.values(), default=0.0))


def odds(score: float) -> float:
    return log_odds(min(max(score, LEAST), 1.0 - LEAST))
