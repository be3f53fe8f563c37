"""Which tags a word may have, by what its data set annotates."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from workers.lifecycle.labelspace import TagScheme
from workers.text.bio import TaggedSpans, tag_count, tags_of

Flags = npt.NDArray[np.bool_]


def possible_tags(spans: TaggedSpans, words: int, scheme: TagScheme, types: tuple[str, ...]) -> Flags:
    """[W, tags]: the one tag of a word in a span; elsewhere O, or a tag of a type the data set does not annotate."""
    if not scheme.exhaustive:
        return np.ones((words, tag_count(len(types))), dtype=bool)  # not entity data: teaches no tag at all
    outside = open_tags(scheme.exhaustive, types)
    tags = tags_of(spans, words)
    possible = np.zeros((words, len(outside)), dtype=bool)
    possible[np.arange(words), tags] = True
    possible[tags == 0] = outside
    return possible


def open_tags(annotated: Collection[str], types: tuple[str, ...]) -> Flags:
    """[tags]: what a word without a label may be: no entity, or of a type that is not annotated. All if none is."""
    found = np.zeros(tag_count(len(types)), dtype=bool)
    found[0] = True
    for name in types:
        if name not in annotated:
            found[tags_for(name, types)] = True
    return found


def tags_for(name: str, types: tuple[str, ...]) -> list[int]:
    """Numbers of a type's two tags."""
    number = types.index(name)
    return [1 + 2 * number, 2 + 2 * number]
