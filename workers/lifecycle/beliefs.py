"""How much of what teachers say is believed.

Data sets annotate different types, and what a teacher thinks of those that nobody annotated on such texts was taught to
it by nobody: it drifts. There an earlier model is believed, if the recipe names one, or nobody (Li and Hoiem 2016,
Learning without Forgetting, keep the tasks of a model by its own earlier answers in the same way).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from workers.lifecycle.examples import Example, SoftLabels
from workers.lifecycle.labelspace import LabelSpace
from workers.lifecycle.tagmasks import open_tags

Probabilities = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Answers:
    """What somebody thinks of all examples, end to end."""

    tags: Probabilities  # [W, tags]
    relations: Probabilities  # [P, relation types]

    def of(self, words: slice, pairs: slice) -> Self:
        return replace(self, tags=self.tags[words], relations=self.relations[pairs])


def with_answers(
    examples: Sequence[Example], teachers: Answers, earlier: Answers | None, labels: LabelSpace
) -> Iterator[Example]:
    """The examples with what is to be learned of their words and pairs."""
    word, pair = 0, 0
    for example in examples:
        words = slice(word, word + len(example.possible))
        pairs = slice(pair, pair + len(example.targets))
        word, pair = words.stop, pairs.stop
        told = teachers.of(words, pairs)
        if earlier is None:
            soft = _what_was_taught(example, told)
        else:
            soft = _all_of_it(example, told, earlier.of(words, pairs), labels)
        yield replace(example, soft=soft)


def _what_was_taught(example: Example, told: Answers) -> SoftLabels:
    tags = told.tags if example.teaches_tags else np.zeros_like(told.tags)
    return SoftLabels(tags, example.open_tags, told.relations, example.known)


def _all_of_it(example: Example, told: Answers, earlier: Answers, labels: LabelSpace) -> SoftLabels:
    tags = completed(told.tags, earlier.tags, example.open_tags)
    relations = np.where(example.known, told.relations, earlier.relations)
    types, pairs = example.mentions.types, example.pairs
    fitting = labels.fitting[types[pairs.heads], types[pairs.tails]]
    return SoftLabels(tags, open_tags(labels.entity_types, labels.entity_types), relations, fitting)


def completed(told: Probabilities, earlier: Probabilities, undecided: npt.NDArray[np.bool_]) -> Probabilities:
    """What teachers give to the undecided tags together, divided as the earlier model divides it. [W, tags] both."""
    found, shares = told.astype(np.float32), earlier[:, undecided].astype(np.float32)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(np.float16).tiny)
    found[:, undecided] = found[:, undecided].sum(axis=1, keepdims=True) * shares
    return found.astype(np.float16)
