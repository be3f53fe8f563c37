"""What a model says about one window, per stage: small frozen values that the cache can hold as bytes.

Offsets are relative to the window. A result depends on the window alone, never on its batch or its document; that makes
it cacheable. Scores are rounded when a result is made, so that a cached result and a fresh one are the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from schemas.base import StageName


@dataclass(frozen=True, slots=True)
class FoundEntity:
    """A typed span of the window."""

    type: str
    start: int
    end: int
    score: float  # 0..1


@dataclass(frozen=True, slots=True)
class FoundRelation:
    """A directed, typed pair: `head` and `tail` are indices into the window's entities."""

    type: str
    head: int
    tail: int
    score: float  # 0..1


@dataclass(frozen=True, slots=True)
class EntitiesResult:
    """Entities of a window, by start; they do not overlap."""

    entities: tuple[FoundEntity, ...]


@dataclass(frozen=True, slots=True)
class RelationsResult:
    """Relations of a window. It repeats the entities it refers to, so it can be read without the other result."""

    entities: tuple[FoundEntity, ...]
    relations: tuple[FoundRelation, ...]


REFUSE = "refuse_below_"  # and a rule: name of the threshold in a model's `info` and in receipts
RefusalRule = Literal["probability", "energy", "logit"]  # how sure of its labels a model is; see `classification`


@dataclass(frozen=True, slots=True)
class ClassificationResult:
    """One raw score per label of the model, in its order; `weight` is the number of tokens it was read from."""

    scores: tuple[float, ...]
    weight: int


@dataclass(frozen=True, slots=True)
class SummaryResult:
    """Per sentence of the window: how worth quoting it is, and a unit vector of its meaning in 1/127 steps."""

    salience: tuple[float, ...]  # [S]
    vectors: npt.NDArray[np.int8]  # [S, D]
    tokens: tuple[int, ...]  # [S] length in tokens

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SummaryResult):
            return NotImplemented
        return (self.salience, self.tokens) == (other.salience, other.tokens) and np.array_equal(
            self.vectors, other.vectors
        )

    def __hash__(self) -> int:
        return hash((self.salience, self.tokens, self.vectors.tobytes()))


@dataclass(frozen=True, slots=True)
class Weights:
    """What makes a sentence worth quoting: one weight per column of `summary.evidence`, and one for likeness."""

    salience: float  # the trained head's logit
    salience_long: float  # more of it for each e-fold of the document's length, counted in sentences
    position: float  # log(1 + sentences before); negative: the start of a document says what it is about
    position_long: float
    length: float  # log of tokens
    centrality: float  # likeness to the whole document
    redundancy: float  # likeness to each sentence already quoted, subtracted


@dataclass(frozen=True, slots=True)
class Quoting:
    """The weights of a model. A sentence that stands alone must say all, and so be longer than one among several."""

    one: Weights
    several: Weights

    def named(self) -> dict[str, float]:
        """Flat, as receipts hold it."""
        both = asdict(self)
        return {f"{part}_{name}": value for part, weights in both.items() for name, value in weights.items()}


@dataclass(frozen=True, slots=True)
class WrittenSummary:
    """What a model wrote about the window in words of its own: nothing in it need be in the text.

    One line of text, empty if the model had nothing to say. `finished` is false if it was stopped at its length limit,
    so that the last sentence may lack its end.
    """

    text: str
    finished: bool


StageResult = EntitiesResult | RelationsResult | ClassificationResult | SummaryResult | WrittenSummary
WindowAnswer = Mapping[StageName, StageResult]
