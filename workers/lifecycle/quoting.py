"""Fits what makes a quote good: the weights of `stages.summary`, on documents that the salience head did not see.

A quote's merit is the sum of its sentences' merits less their likeness to each other, and is fitted so that its softmax
over many quotes of a document is that of their overlap with what people wrote. Quotes of one sentence and of several
are fitted apart: with more sentences, long ones cost precision. How far several are drawn to the start of the document
is not fitted but chosen, see `leading`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from statistics import median

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workers.errors import ConfigurationError
from workers.lifecycle.leading import LEADS, Judged, strongest_lead
from workers.lifecycle.overlap import overlaps
from workers.lifecycle.salience import ReadDocument, logits_of, train_head
from workers.models.config import HeadShape
from workers.models.heads import SalienceHead
from workers.stages.results import Quoting, Weights
from workers.stages.summary import evidence

FOLDS = 4
ABSTRACT_SENTENCES = 15  # abstracts have fewer, articles more
LONG_TIMES = 3  # how often the few long documents are seen while a head learns
SHORT_DOCUMENTS = 400  # as many of the short ones are enough for seven weights
SHORT_SHARE = 0.5  # their weight, taken together, against that of the long ones
QUOTES = 400  # of a document
SHARPNESS = {1: 0.05, 2: 0.03}  # by sentences of a quote: overlap that makes one e times as likely
DECAY = 1e-3
DECIMALS = 3
NAMES = tuple(field.name for field in fields(Weights))


@dataclass(frozen=True, slots=True)
class School:
    """What is learned from: few long documents of many genres, and many short ones."""

    long: tuple[ReadDocument, ...]
    short: tuple[ReadDocument, ...]

    def __post_init__(self) -> None:
        if max(len(self.long), len(self.short)) < 2:  # a fold would leave nothing to learn from
            raise ConfigurationError("salience cannot be learned from fewer than 2 documents: correct --data")

    @classmethod
    def of(cls, files: Iterable[Sequence[ReadDocument]]) -> School:
        """By the usual length of a file's documents."""
        long, short = list[ReadDocument](), list[ReadDocument]()
        for documents in files:
            lengths = [len(document.sentences) for document in documents]
            (long if lengths and median(lengths) > ABSTRACT_SENTENCES else short).extend(documents)
        return cls(tuple(long), tuple(short))

    def head(self, width: int, shape: HeadShape, *, seed: int, without: int | None = None) -> SalienceHead:
        """Trained on all documents, or on those that are not of one fold."""
        long, short = (
            [document for number, document in enumerate(part) if without is None or number % FOLDS != without]
            for part in (self.long, self.short)
        )
        return train_head(width, shape, long * LONG_TIMES + short, seed=seed)

    def quoting(self, width: int, shape: HeadShape, *, seed: int) -> Quoting:
        """Weights, fitted to logits of heads that did not see the document."""
        heads = [self.head(width, shape, seed=seed, without=fold) for fold in range(FOLDS)]
        judged = [
            Judged(document, logits_of(heads[number % FOLDS], document), share / len(part), number % FOLDS)
            for part, share in ((self.long, 1.0), (self.short[:SHORT_DOCUMENTS], SHORT_SHARE))
            for number, document in enumerate(part)
        ]
        generator = np.random.default_rng(seed)
        one, several = ([_quotes(one, size, generator) for one in judged] for size in (1, 2))
        tested = judged[: len(self.long)] if len(self.long) > 1 else judged

        def without(fold: int, lead: float) -> Weights:
            return _fit([quotes for one, quotes in zip(judged, several, strict=True) if one.fold != fold], lead)

        return Quoting(_fit(one), _fit(several, strongest_lead(tested, LEADS, without)))


@dataclass(frozen=True, slots=True)
class Quotes:
    """Some quotes of one document."""

    columns: Tensor  # [M, 7] what `Weights` weigh
    wanted: Tensor  # [M] a distribution
    weight: float  # of the document


def _quotes(judged: Judged, size: int, generator: np.random.Generator) -> Quotes:
    document = judged.document
    chosen = _sampled(np.flatnonzero(document.allowed), size, generator)
    vectors = document.vectors.double().numpy()
    sums = evidence(judged.logits, vectors, document.tokens.numpy())[chosen].sum(axis=1)
    likeness = sum(
        ((vectors[chosen[:, a]] * vectors[chosen[:, b]]).sum(axis=1) for a, b in combinations(range(size), 2)),
        start=np.zeros(len(chosen)),
    )
    gains = torch.from_numpy(overlaps(document.sentences, document.references, chosen))
    columns = torch.from_numpy(np.column_stack([sums, -likeness]))
    return Quotes(columns, torch.softmax(gains / SHARPNESS[size], dim=0), judged.weight)


def _sampled(sentences: npt.NDArray[np.int64], size: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """All quotes of so many sentences, or QUOTES of them, half of which prefer the start of the document. [M, size]"""
    quotes = np.array(list(combinations(range(len(sentences)), size)), dtype=np.int64)
    if len(quotes) > QUOTES:
        early = 1.0 / (2.0 + quotes).prod(axis=1)
        spread = 0.5 * early / early.sum() + 0.5 / len(quotes)
        quotes = quotes[generator.choice(len(quotes), QUOTES, replace=False, p=spread)]
    return sentences[quotes]


def _fit(documents: Sequence[Quotes], lead: float | None = None) -> Weights:
    """Convex: the one minimum, whatever the start. `lead`: a given pull to the start, the same in long documents."""
    free, given = torch.ones(len(NAMES), dtype=torch.float64), torch.zeros(len(NAMES), dtype=torch.float64)
    if lead is not None:
        free[[NAMES.index("position"), NAMES.index("position_long")]] = 0.0
        given[NAMES.index("position")] = -lead
    learned = torch.zeros(len(NAMES), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([learned], max_iter=100, line_search_fn="strong_wolfe")
    total = sum(quotes.weight for quotes in documents)

    def loss() -> float:
        optimizer.zero_grad()
        weights = learned * free + given
        value = DECAY * (weights**2).sum()
        for quotes in documents:
            miss = -(quotes.wanted * torch.log_softmax(quotes.columns @ weights, dim=0)).sum()
            value = value + quotes.weight / total * miss
        torch.autograd.backward(value)
        return value.item()

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return Weights(*(round(value, DECIMALS) for value in (learned * free + given).tolist()))
