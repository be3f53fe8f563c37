"""How much of what teachers say is believed.

Data sets annotate different types, and how a teacher divides its belief among those that nobody annotated on such texts
was taught to it by nobody: it drifts. There an earlier model is believed, if the recipe names one, or nobody (Li and
Hoiem 2016, Learning without Forgetting, keep the tasks of a model by its own earlier answers in the same way).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from workers.lifecycle.examples import Example, SoftLabels
from workers.lifecycle.tagmasks import open_tags

Probabilities = npt.NDArray[np.float16]


def with_answers(
    examples: Sequence[Example],
    tags: Probabilities,
    relations: Probabilities,
    *,
    types: tuple[str, ...],
    earlier: Probabilities | None,
) -> Iterator[Example]:
    """The examples with what is to be learned of their words and pairs.

    All arrays are of all examples, end to end: `tags` of the teachers and `earlier` of the earlier model [W, tags],
    `relations` of the teachers [P, relation types].
    """
    word, pair = 0, 0
    for example in examples:
        words = slice(word, word + len(example.possible))
        pairs = slice(pair, pair + len(example.targets))
        word, pair = words.stop, pairs.stop
        own, undecided = tags[words], example.open_tags
        if earlier is not None:
            own, undecided = completed(own, earlier[words], undecided), open_tags(types, types)
        elif not example.teaches_tags:
            own = np.zeros_like(own)
        yield replace(example, soft=SoftLabels(own, undecided, relations[pairs]))


def completed(told: Probabilities, earlier: Probabilities, undecided: npt.NDArray[np.bool_]) -> Probabilities:
    """What teachers give to the undecided tags together, divided as the earlier model divides it. [W, tags] both."""
    found, shares = told.astype(np.float32), earlier[:, undecided].astype(np.float32)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(np.float16).tiny)
    found[:, undecided] = found[:, undecided].sum(axis=1, keepdims=True) * shares
    return found.astype(np.float16)
