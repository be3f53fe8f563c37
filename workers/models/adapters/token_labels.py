"""From a probability per token and label to typed spans, as transformers' token classification pipeline does it.

Pure numpy. Equal to `aggregation_strategy` simple, first, average and max of transformers 5, but for labels of BILOU,
which are read as what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from workers.errors import ConfigurationError

Aggregation = Literal["first", "average", "max", "simple"]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]

OUTSIDE = "O"
BEGINNINGS, INSIDES = frozenset("BUS"), frozenset("ILE")


@dataclass(frozen=True, slots=True)
class LabelScheme:
    """What each label of a model means."""

    types: tuple[str, ...]  # of each label as it is written; empty: no entity
    tags: Numbers  # [labels] labels of one tag go on with each other
    begins: Flags  # [labels] whether the label starts an entity wherever it stands


@dataclass(frozen=True, slots=True)
class Groups:
    """Tokens that belong together, by number, in order; `lasts` are inclusive."""

    firsts: Numbers
    lasts: Numbers
    labels: Numbers  # of the first token or word
    scores: Floats


def read_scheme(labels: Sequence[str], renamed: Mapping[str, str]) -> LabelScheme:
    """Raises ConfigurationError if no label means that there is no entity, or a type to rename does not exist."""
    prefixes = {label.partition("-")[0] for label in labels if label != OUTSIDE}
    is_bilou = prefixes <= BEGINNINGS | INSIDES and not prefixes <= {"B", "I"}
    begins_with = BEGINNINGS if is_bilou else frozenset("B")
    inside = INSIDES if is_bilou else frozenset("I")
    tags, begins, names = [], [], []
    for label in labels:
        prefix, dash, rest = label.partition("-")
        known = bool(dash) and prefix in begins_with | inside
        tags.append(rest if known else label)
        begins.append(known and prefix in begins_with)
        names.append(rest if dash else label)
    types = set(names) - {OUTSIDE}
    if unknown := sorted(set(renamed) - types):
        raise ConfigurationError(
            f"types names `{unknown[0]}`, but the model has {', '.join(sorted(types))}: correct it"
        )
    if OUTSIDE not in labels and "" not in renamed.values():
        raise ConfigurationError(
            f"no label of {', '.join(labels[:4])}, ... says that there is no entity: map the one that does to nothing "
            '(types: {LABEL: ""})'
        )
    numbers = {tag: number for number, tag in enumerate(dict.fromkeys(tags))}
    return LabelScheme(
        types=tuple("" if name == OUTSIDE else renamed.get(name, name) for name in names),
        tags=np.array([numbers[tag] for tag in tags]),
        begins=np.array(begins),
    )


def group_tokens(probabilities: Floats, is_subword: Flags, scheme: LabelScheme, aggregation: Aggregation) -> Groups:
    """[N, labels] and [N] -> groups of tokens with one tag, also those that are no entity."""
    words = np.arange(len(probabilities)) if aggregation == "simple" else _word_starts(is_subword)
    per_word = _of_words(probabilities, words, aggregation)
    labels = per_word.argmax(axis=1)
    scores = per_word.max(axis=1)
    tags = scheme.tags[labels]
    starts = np.ones(len(words), dtype=bool)
    starts[1:] = (tags[1:] != tags[:-1]) | scheme.begins[labels[1:]]
    firsts = np.flatnonzero(starts)
    counts = np.diff(np.append(firsts, len(words)))
    after = np.append(words, len(probabilities))  # where each word ends
    return Groups(
        firsts=words[firsts],
        lasts=after[firsts + counts] - 1,
        labels=labels[firsts],
        scores=np.add.reduceat(scores, firsts) / counts,
    )


def _word_starts(is_subword: Flags) -> Numbers:
    starts = ~is_subword
    starts[0] = True
    return np.flatnonzero(starts)


def _of_words(probabilities: Floats, words: Numbers, aggregation: Aggregation) -> Floats:
    """[W, labels]"""
    if aggregation in ("simple", "first"):
        return probabilities[words]
    counts = np.diff(np.append(words, len(probabilities)))
    if aggregation == "average":
        mean: Floats = np.add.reduceat(probabilities, words, axis=0) / counts[:, None]
        return mean
    highest = probabilities.max(axis=1)
    surest = np.flatnonzero(highest == np.repeat(np.maximum.reduceat(highest, words), counts))
    owners = np.repeat(np.arange(len(words)), counts)[surest]
    return probabilities[surest[np.unique(owners, return_index=True)[1]]]
