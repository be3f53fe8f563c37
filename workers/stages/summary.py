"""Summary: from salience and meaning of each sentence to the few sentences that stand for the document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas import Span, Summary
from workers.stages.results import SummaryResult
from workers.text.pieces import Window

CODE_VERSION = "1"

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """What makes a sentence worth quoting."""

    salience: float = 0.5  # the trained head's probability
    centrality: float = 1.0  # likeness to the whole document
    position: float = 0.7  # the start of a document says what it is about
    redundancy: float = 0.5  # likeness to what is already quoted, subtracted
    shortest_tokens: int = 6  # headings, datelines and the like are not quoted
    longest_tokens: int = 90


WEIGHTS = Weights()


def merge_summary(
    text: str,
    windows: Sequence[Window],
    results: Sequence[SummaryResult],
    *,
    max_sentences: int,
    weights: Weights = WEIGHTS,
) -> Summary | None:
    """The best sentences in the order of the text, or None if there is nothing to choose from.

    Sentences are taken one by one by merit less likeness to those taken (maximal marginal relevance, Carbonell and
    Goldstein 1998).
    """
    spans, salience, vectors, tokens = _sentences(windows, results)
    quotable = (tokens >= weights.shortest_tokens) & (tokens <= weights.longest_tokens)
    if not quotable.any():
        return None
    chosen = sorted(_choose(_merit(salience, vectors, tokens, weights), vectors, quotable, max_sentences, weights))
    picked = tuple(Span(start=spans[i][0], end=spans[i][1]) for i in chosen)
    joined = " ".join(" ".join(text[span.start : span.end].split()) for span in picked)
    return Summary(text=joined, kind="extractive", sentences=picked)


def _sentences(
    windows: Sequence[Window], results: Sequence[SummaryResult]
) -> tuple[list[tuple[int, int]], FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """Each sentence of the document once: one that two windows share is taken from the first."""
    spans: list[tuple[int, int]] = []
    rows: list[tuple[int, int]] = []  # window, sentence
    for w, window in enumerate(windows):
        for s, (start, end) in enumerate(window.sentences):
            if not spans or window.start + start >= spans[-1][1]:
                spans.append((window.start + start, window.start + end))
                rows.append((w, s))
    salience = np.array([results[w].salience[s] for w, s in rows], dtype=np.float64)
    tokens = np.array([results[w].tokens[s] for w, s in rows], dtype=np.int64)
    vectors = np.array([results[w].vectors[s] for w, s in rows], dtype=np.float64) / 127.0
    return spans, salience, vectors, tokens


def _merit(salience: FloatArray, vectors: FloatArray, tokens: npt.NDArray[np.int64], weights: Weights) -> FloatArray:
    whole = tokens @ vectors  # [D] meaning of the document, sentences counted by length
    whole = whole / (np.linalg.norm(whole) + 1e-9)
    position = 1.0 / (1.0 + np.arange(len(tokens)))
    trained = 1.0 / (1.0 + np.exp(-salience))
    return weights.salience * trained + weights.centrality * (vectors @ whole) + weights.position * position


def _choose(
    merit: FloatArray, vectors: FloatArray, quotable: npt.NDArray[np.bool_], wanted: int, weights: Weights
) -> list[int]:
    merit = np.where(quotable, merit, -np.inf)
    chosen: list[int] = []
    likeness = np.zeros(len(merit))
    for _ in range(min(wanted, int(quotable.sum()))):
        best = int(np.argmax(merit - weights.redundancy * likeness))
        chosen.append(best)
        merit[best] = -np.inf
        likeness = np.maximum(likeness, vectors @ vectors[best])
    return chosen
