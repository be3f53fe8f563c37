"""Tokens of words that were met before: looked up instead of cut again, which is an order of magnitude quicker.

Only for tokenizers that read every word by itself, as BERT's do: its normalizer looks at one character at a time, and
its words end at white space and punctuation. The tokens are those of the tokenizer itself, to the last offset.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain, pairwise
from threading import Lock

import numpy as np
import numpy.typing as npt

from workers.text.pieces import IntArray, TextTokens

LongArray = npt.NDArray[np.int64]

MOST_PIECES = 65_536  # remembered; some megabytes. Then it starts afresh: it must not grow with what it has read
LONGEST_PIECE = 64  # characters; a text with a longer one goes to the tokenizer as a whole

# A word or one mark of punctuation, with the white space in front of it, so that pieces laid end to end are the text.
# Only what separates words beyond doubt does so here; the tokenizer may find more words in a piece.
_MARKS = r"!-/:-@\[-`{-~"
PIECE = re.compile(rf"[ \t\n\r]*+(?:[^ \t\n\r{_MARKS}]++|[{_MARKS}])|[ \t\n\r]++")


def _no_numbers() -> IntArray:
    return np.zeros(0, dtype=np.int32)


@dataclass(slots=True)
class _Pages:
    """Pieces by number, and their tokens end to end. Only ever grows; arrays are exchanged, never changed."""

    numbers: dict[str, int] = field(default_factory=dict)
    lengths: IntArray = field(default_factory=_no_numbers)  # [P] code points of a piece
    counts: IntArray = field(default_factory=_no_numbers)  # [P] tokens
    firsts: LongArray = field(default_factory=lambda: np.zeros(1, dtype=np.int64))  # [P + 1] number of its first token
    word_counts: IntArray = field(default_factory=_no_numbers)  # [P]
    tokens: TextTokens = field(default_factory=lambda: TextTokens(*(_no_numbers() for _ in range(4))))

    def add(self, pieces: Sequence[str], cut: Sequence[TextTokens]) -> None:
        first = len(self.numbers)
        self.tokens = TextTokens(
            *(
                np.concatenate([getattr(own, name) for own in (self.tokens, *cut)])
                for name in ("ids", "starts", "ends", "words")
            )
        )
        words = [int(own.words[-1]) + 1 if len(own) else 0 for own in cut]
        self.lengths = np.concatenate([self.lengths, np.array([*map(len, pieces)], dtype=np.int32)])
        self.counts = np.concatenate([self.counts, np.array([*map(len, cut)], dtype=np.int32)])
        self.firsts = _before(self.counts)
        self.word_counts = np.concatenate([self.word_counts, np.array(words, dtype=np.int32)])
        self.numbers.update(zip(pieces, range(first, first + len(pieces)), strict=True))  # last: others read meanwhile


class WordBook:
    """Cuts texts piece by piece. Safe to call from several threads."""

    def __init__(self, cut: Callable[[Sequence[str]], list[TextTokens]], *, most_pieces: int = MOST_PIECES) -> None:
        """`cut` is the tokenizer: texts into tokens."""
        self._cut = cut
        self._most = most_pieces
        self._pages = _Pages()
        self._lock = Lock()

    def cut(self, texts: Sequence[str]) -> list[TextTokens]:
        """One entry per text, what the tokenizer itself would make of it."""
        by_text = [PIECE.findall(text) for text in texts]
        if (found := self._look_up(by_text)) is not None:
            return found
        short = [max(map(len, pieces), default=0) <= LONGEST_PIECE for pieces in by_text]
        known = self._look_up([pieces for pieces, ok in zip(by_text, short, strict=True) if ok])
        left, others = (
            iter(known or ()),
            iter(self._cut([text for text, ok in zip(texts, short, strict=True) if not ok])),
        )
        return [next(left if ok else others) for ok in short]

    def _look_up(self, by_text: Sequence[list[str]]) -> list[TextTokens] | None:
        """None if there is a piece that is too long to be remembered."""
        pieces = list(chain.from_iterable(by_text))
        if (known := self._numbered(pieces)) is None:
            return None
        pages, numbers = known  # [P]
        starts = _before(pages.lengths[numbers])  # [P + 1] where a piece begins
        counts, words = pages.counts[numbers], _before(pages.word_counts[numbers])
        ends = _before(counts)
        own = np.repeat(np.arange(len(pieces)), counts)  # [T] the piece of a token
        at = np.arange(len(own)) + (pages.firsts[numbers] - ends[:-1])[own]
        text_ends = np.cumsum([0, *map(len, by_text)])  # in pieces
        text_of = np.repeat(np.arange(len(by_text)), np.diff(text_ends))[own]
        shift = starts[own] - starts[text_ends[text_of]]
        found = (
            pages.tokens.ids[at],
            (pages.tokens.starts[at] + shift).astype(np.int32),
            (pages.tokens.ends[at] + shift).astype(np.int32),
            (pages.tokens.words[at] + words[own] - words[text_ends[text_of]]).astype(np.int32),
        )
        edges = ends[text_ends].tolist()
        return [TextTokens(*(array[a:b] for array in found)) for a, b in pairwise(edges)]

    def _numbered(self, pieces: Sequence[str]) -> tuple[_Pages, LongArray] | None:
        """Pages that have all of them, and their numbers there. Those that are new are cut and remembered; None if one
        of them is too long for that."""
        pages = self._pages
        numbers = [*map(pages.numbers.get, pieces)]
        if None in numbers:
            new = {piece for piece, number in zip(pieces, numbers, strict=True) if number is None}
            if max(map(len, new)) > LONGEST_PIECE:
                return None
            with self._lock:
                pages = self._pages_with(new, pieces)
                numbers = [*map(pages.numbers.get, pieces)]
        return pages, np.array(numbers, dtype=np.int64)

    def _pages_with(self, new: Set[str], pieces: Sequence[str]) -> _Pages:
        """Those there are, with the `new` ones of `pieces`; or fresh ones, if they would outgrow the bound."""
        pages, added = self._pages, sorted(new - self._pages.numbers.keys())  # others may have come first
        if len(pages.numbers) + len(added) > self._most:
            pages, added = _Pages(), sorted(set(pieces))
        pages.add(added, self._cut(added))
        self._pages = pages
        return pages


def _before(counts: npt.NDArray[np.integer]) -> LongArray:
    """[N] -> [N + 1] running sums, from 0."""
    sums = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=sums[1:])
    return sums
