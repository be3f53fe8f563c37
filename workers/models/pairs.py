"""Which pairs of entities are asked for a relation, and what is known of a pair before the model reads it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]
_GAP_BOUNDS = np.array([1, 2, 3, 5, 9, 17, 33, 65])  # tokens between two entities, in nine classes
GAP_CLASSES = 2 * (len(_GAP_BOUNDS) + 1)  # by gap, for a head that comes first and one that comes last


@dataclass(frozen=True, slots=True)
class Mentions:
    """Entities of a batch as columns of its tokens, by item, then by start; they do not overlap."""

    items: Array  # [E] of the batch
    firsts: Array  # [E] first subword of the first word
    lasts: Array  # [E] last subword of the last word
    types: Array  # [E]

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Directed pairs of mentions of one item."""

    heads: Array  # [P] index into the mentions
    tails: Array  # [P]

    def __len__(self) -> int:
        return len(self.heads)


def neighbouring(items: Array, neighbours: int) -> Pairs:
    """Every mention with up to `neighbours` before and after it in its item: 2 x neighbours x E pairs at the most.

    The loop runs over distances, not over pairs. A window's pairs depend on that window alone.
    """
    firsts: list[Array] = [np.zeros(0, dtype=np.int64)]
    seconds: list[Array] = [np.zeros(0, dtype=np.int64)]
    for distance in range(1, neighbours + 1):
        together = np.flatnonzero(items[distance:] == items[:-distance])
        firsts.append(together)
        seconds.append(together + distance)
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    heads, tails = np.concatenate([first, second]), np.concatenate([second, first])
    order = np.lexsort((tails, heads))
    return Pairs(heads[order], tails[order])


def joinable(pairs: Pairs, mentions: Mentions, can_join: npt.NDArray[np.bool_]) -> Pairs:
    """Those whose types some relation joins: about half. `can_join` [types, types] by head and tail."""
    kept = can_join[mentions.types[pairs.heads], mentions.types[pairs.tails]]
    return Pairs(pairs.heads[kept], pairs.tails[kept])


def gaps(mentions: Mentions, pairs: Pairs) -> tuple[Array, Array, Array]:
    """Of each pair: the first and one past the last token between its two mentions, and its gap class."""
    forward = pairs.heads < pairs.tails
    left, right = np.minimum(pairs.heads, pairs.tails), np.maximum(pairs.heads, pairs.tails)
    begins, ends = mentions.lasts[left] + 1, mentions.firsts[right]
    ends = np.maximum(begins, ends)
    classes = np.digitize(ends - begins, _GAP_BOUNDS) * 2 + forward
    return begins, ends, classes
