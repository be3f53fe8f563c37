"""How well sentences, alone and together, say what references say: overlap of words and of pairs of words.

What ROUGE-1 and ROUGE-2 measure (Lin 2004), without stemming, fast enough to be what training learns from. Reported
scores come from `rouge`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

WORD = re.compile(r"\w+")

Grams = Counter[tuple[str, ...]]


def overlaps(
    sentences: Sequence[str], references: Sequence[str], chosen: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Each row of `chosen` [M, k] is a quote of k sentences -> mean F-measure over references, words and pairs. [M]"""
    cut = [WORD.findall(sentence.lower()) for sentence in sentences]
    wanted = [WORD.findall(reference.lower()) for reference in references]
    total = np.zeros(len(chosen))
    for size in (1, 2):
        grams = [_grams(words, size) for words in cut]
        for words in wanted:
            total += _f_measures(grams, _grams(words, size), chosen)
    return total / (2 * len(references))


def _grams(words: Sequence[str], size: int) -> Grams:
    return Counter(zip(*(words[start:] for start in range(size)), strict=False))


def _f_measures(sentences: Sequence[Grams], reference: Grams, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Of quotes of sentences; a gram counts as often as quote and reference both have it."""
    names = list(reference)
    counts = np.array([[grams[name] for name in names] for grams in sentences], dtype=np.int64)
    sizes = np.array([grams.total() for grams in sentences], dtype=np.int64)
    counts = counts.reshape(len(sentences), len(names))  # also where the reference is empty
    limits = np.array([reference[name] for name in names], dtype=np.int64)
    common = np.zeros(len(chosen))
    for start in range(0, len(chosen), 1_000):  # bounds the memory for the counts of quotes
        part = chosen[start : start + 1_000]
        common[start : start + 1_000] = np.minimum(counts[part].sum(axis=1), limits).sum(axis=1)
    both: npt.NDArray[np.int64] = sizes[chosen].sum(axis=1) + reference.total()
    return 2 * common / np.maximum(both, 1)
