"""The values that a text is cut into: tokens, sentences, windows. All offsets are half-open code points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TextTokens:
    """The subword tokens of one text, without special tokens."""

    ids: IntArray  # [N] vocabulary ids
    starts: IntArray  # [N] code point where the token starts in the text
    ends: IntArray  # [N] code point after its last
    words: IntArray  # [N] number of the word the token belongs to, rising

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.starts) == len(self.ends) == len(self.words):
            raise ValueError("ids, starts, ends and words differ in length")

    def __len__(self) -> int:
        return len(self.ids)

    def between(self, start: int, end: int) -> TextTokens:
        """The tokens that lie in `[start, end)` of the text, with offsets counted from `start`."""
        lo, hi = np.searchsorted(self.starts, (start, end))
        return TextTokens(
            self.ids[lo:hi], self.starts[lo:hi] - start, np.minimum(self.ends[lo:hi], end) - start, self.words[lo:hi]
        )


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a document that goes through a model in one piece: whole sentences wherever they fit.

    `sentences` are relative to the window. The first `shared` code points were in the window before as well: they are
    there for context, and what lies wholly inside them belongs to that window.
    """

    text: str
    start: int  # where the window starts in the document
    sentences: tuple[tuple[int, int], ...]  # half open, in order, not overlapping
    tokens: TextTokens
    shared: int = 0

    @property
    def end(self) -> int:
        return self.start + len(self.text)
