"""ROUGE with the package that papers use, which is optional here. Sentences in, F-measures out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from workers.errors import ConfigurationError

TYPES = ("rouge1", "rouge2", "rougeLsum")


class _Score(Protocol):
    fmeasure: float


class _Scorer(Protocol):
    def score_multi(self, targets: list[str], prediction: str) -> dict[str, _Score]: ...


class Rouge:
    """Porter-stemmed ROUGE-1, ROUGE-2 and summary-level ROUGE-L (Lin 2004).

    With several references each of the three is that of the reference it fits best.
    """

    def __init__(self) -> None:
        try:
            from rouge_score.rouge_scorer import RougeScorer
        except ImportError as error:
            raise ConfigurationError(
                "summaries are scored with rouge-score: pip install 'enrich-workers[train]'"
            ) from error
        self._scorer: _Scorer = RougeScorer(TYPES, use_stemmer=True)

    def score(self, summary: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, ...]:
        """F-measures in the order of `TYPES`; a summary and each reference are sentences."""
        found = self._scorer.score_multi([_lines(reference) for reference in references], _lines(summary))
        return tuple(found[kind].fmeasure for kind in TYPES)


def _lines(sentences: Sequence[str]) -> str:
    """ROUGE-Lsum takes a line for a sentence, so that a sentence must not hold a line break."""
    return "\n".join(" ".join(sentence.split()) for sentence in sentences)
