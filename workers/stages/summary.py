"""Summary: from salience and meaning of each sentence to the few sentences that stand for the document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from schemas import Span, Summary
from workers.stages.results import Quoting, SummaryResult, Weights
from workers.text.pieces import Window

CODE_VERSION = "6"

SHORTEST_TOKENS = 6  # headings, datelines and the like are not quoted
LONGEST_TOKENS = 90
USUAL_SENTENCES = 7.4  # e squared: an abstract has about so many, and there the `_long` weights do nothing
MOST_SENTENCES = 150  # a longer document counts as one of so many: the weights were tuned on none that is longer
USUAL_TOKENS = 20.0

FloatArray = npt.NDArray[np.float64]
_NAMES = tuple(weight.name for weight in fields(Weights))


# What `lifecycle.quoting` fitted for the packaged model.
QUOTING = Quoting(
    one=Weights(1.02, -0.109, -0.358, -0.135, 0.845, 2.221, 0.0),
    several=Weights(0.705, -0.069, -0.75, 0.0, 0.212, 1.879, 1.418),
)


def quoting_of(thresholds: Mapping[str, float]) -> Quoting:
    """The weights among a model's thresholds; those above for a model that has none of its own."""
    if not thresholds:
        return QUOTING
    one, several = (Weights(*(thresholds[f"{part}_{name}"] for name in _NAMES)) for part in ("one", "several"))
    return Quoting(one, several)


def merge_summary(
    text: str,
    windows: Sequence[Window],
    results: Sequence[SummaryResult],
    *,
    max_sentences: int,
    quoting: Quoting = QUOTING,
) -> Summary | None:
    """The best sentences in the order of the text, or None if there is nothing to choose from.

    Sentences are taken one by one by merit less likeness to those taken (maximal marginal relevance, Carbonell and
    Goldstein 1998).
    """
    rows = sentences_once(windows)
    kept = _numbers(windows, rows)
    salience = np.array([value for result in results for value in result.salience], dtype=np.float64)[kept]
    tokens = np.array([count for result in results for count in result.tokens], dtype=np.int64)[kept]
    allowed = quotable(tokens)
    if not allowed.any():
        return None
    vectors = np.concatenate([result.vectors for result in results])[kept].astype(np.float64) / 127.0
    *weights, redundancy = _values(quoting.one if max_sentences == 1 else quoting.several)
    merit = evidence(salience, vectors, tokens) @ np.array(weights)
    chosen = sorted(choose(np.where(allowed, merit, -np.inf), vectors, max_sentences, redundancy=redundancy))
    picked = tuple(_span(windows, *rows[number]) for number in chosen)
    joined = " ".join(" ".join(text[span.start : span.end].split()) for span in picked)
    return Summary(text=joined, kind="extractive", sentences=picked)


def _values(weights: Weights) -> tuple[float, ...]:
    return tuple(getattr(weights, name) for name in _NAMES)


def _numbers(windows: Sequence[Window], rows: Sequence[tuple[int, int]]) -> list[int]:
    """Numbers of sentences, counted over all windows."""
    first = list(accumulate((len(window.sentences) for window in windows), initial=0))
    return [first[window] + sentence for window, sentence in rows]


def sentences_once(windows: Sequence[Window]) -> list[tuple[int, int]]:
    """(window, sentence) for each of the document; one that two windows share is taken from the first."""
    rows: list[tuple[int, int]] = []
    behind = -1
    for w, window in enumerate(windows):
        for s, (start, end) in enumerate(window.sentences):
            if window.start + start >= behind:
                behind = window.start + end
                rows.append((w, s))
    return rows


def quotable(tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which sentences may be quoted at all, by their length in tokens. [S]"""
    return (tokens >= SHORTEST_TOKENS) & (tokens <= LONGEST_TOKENS)


def evidence(salience: FloatArray, vectors: FloatArray, tokens: npt.NDArray[np.int64]) -> FloatArray:
    """What `Weights` weigh, of a document's sentences: logits [S], unit vectors [S, D], lengths [S] -> [S, 6]."""
    count = len(tokens)
    whole = tokens @ vectors  # [D] meaning of the document, sentences counted by length
    whole = whole / (np.linalg.norm(whole) + 1e-9)
    position = np.log1p(np.arange(count))
    longer = np.log(min(count, MOST_SENTENCES) / USUAL_SENTENCES) if count else 0.0
    length = np.log(np.maximum(tokens, 1) / USUAL_TOKENS)
    columns = [salience, salience * longer, position, position * longer, length, vectors @ whole]
    return np.stack(columns, axis=1)


def choose(merit: FloatArray, vectors: FloatArray, wanted: int, *, redundancy: float) -> list[int]:
    """Numbers of sentences, the best first; those of merit -inf are never taken."""
    merit = merit.copy()
    chosen: list[int] = []
    likeness = np.zeros(len(merit))
    for _ in range(min(wanted, int(np.isfinite(merit).sum()))):
        best = int(np.argmax(merit - redundancy * likeness))
        chosen.append(best)
        merit[best] = -np.inf
        likeness = likeness + vectors @ vectors[best]
    return chosen


def _span(windows: Sequence[Window], window: int, sentence: int) -> Span:
    start, end = windows[window].sentences[sentence]
    return Span(start=windows[window].start + start, end=windows[window].start + end)
