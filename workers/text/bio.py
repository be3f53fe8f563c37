"""BIO tags and spans, both ways, without a Python loop over words.

Tag 0 is O; type t begins with tag 1 + 2t and goes on with 2 + 2t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TaggedSpans:
    """Spans of words over one or more rows laid end to end, by start; `ends` are exclusive."""

    starts: Array  # [E]
    ends: Array  # [E]
    types: Array  # [E]

    def __len__(self) -> int:
        return len(self.starts)


def tag_count(types: int) -> int:
    return 1 + 2 * types


def spans_of(tags: npt.ArrayLike, row_starts: npt.ArrayLike = (0,)) -> TaggedSpans:
    """The spans that tags spell. `row_starts` are the positions where a row begins: no span crosses one.

    An I without a B of its type before it begins a span of its own, as the CoNLL scorer reads it.
    """
    tag = np.asarray(tags, dtype=np.int64)
    if not len(tag):
        empty = np.zeros(0, dtype=np.int64)
        return TaggedSpans(empty, empty, empty)
    kind = (tag - 1) // 2  # -1 for O
    inside = (tag > 0) & (tag % 2 == 0)
    goes_on = np.zeros(len(tag), dtype=bool)
    goes_on[1:] = inside[1:] & (kind[1:] == kind[:-1])
    rows = np.asarray(row_starts, dtype=np.int64)
    goes_on[rows[rows < len(tag)]] = False
    starts = np.flatnonzero((tag > 0) & ~goes_on)
    last = np.append(~goes_on[1:], True)  # the next word does not go on with this one's span
    ends = np.flatnonzero((tag > 0) & last) + 1
    return TaggedSpans(starts, ends, kind[starts])


def tags_of(spans: TaggedSpans, words: int) -> Array:
    """The tags that spell `spans`, which must not overlap."""
    tags = np.zeros(words, dtype=np.int64)
    lengths = spans.ends - spans.starts
    inside = np.repeat(spans.starts, lengths) + _ramp(lengths)
    tags[inside] = np.repeat(2 + 2 * spans.types, lengths)
    tags[spans.starts] = 1 + 2 * spans.types
    return tags


def _ramp(lengths: Array) -> Array:
    """0, 1, ... n-1 for each n of `lengths`, end to end."""
    total = int(lengths.sum())
    return np.arange(total, dtype=np.int64) - np.repeat(np.cumsum(lengths) - lengths, lengths)
