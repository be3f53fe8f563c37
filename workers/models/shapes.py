"""The shape of a word as written: the trunk reads lower case only, and case is half of what makes a name a name."""

from __future__ import annotations

from enum import IntEnum
from functools import cache

import numpy as np
import numpy.typing as npt

from workers.text.pieces import IntArray

Offsets = IntArray | npt.NDArray[np.int64]

_KNOWN_CODE_POINTS = 0x20000  # cased letters and digits all lie below; what is above has no case


class WordShape(IntEnum):
    """How a word is written. NONE is for special tokens and padding."""

    NONE = 0
    LOWER = 1
    CAPITAL = 2  # London, A
    CAPS = 3  # NATO
    MIXED = 4  # iPhone, McDonald, 2nd
    DIGITS = 5
    OTHER = 6  # no cased letter and no digit: punctuation, Chinese, emoji


@cache
def _code_point_classes() -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Upper, lower and digit by code point."""
    characters = [chr(number) for number in range(_KNOWN_CODE_POINTS)]
    upper = np.array([character.isupper() or character.istitle() for character in characters])
    lower = np.array([character.islower() for character in characters])
    digit = np.array([character.isdecimal() for character in characters])
    return upper, lower, digit


def word_shapes(text: str, starts: Offsets, ends: Offsets) -> npt.NDArray[np.uint8]:
    """The `WordShape` of each `text[start:end]`. No Python loop over words: counts are differences of running sums."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    known = np.where(points < _KNOWN_CODE_POINTS, points, 0)  # 0 is NUL, which is of no class
    upper, lower, digit = (table[known] for table in _code_point_classes())
    uppers, lowers, digits = (_counts(flags, starts, ends) for flags in (upper, lower, digit))
    first_upper = upper[np.minimum(starts, max(len(points) - 1, 0))] if len(points) else np.zeros(len(starts), bool)
    letters = uppers + lowers
    shapes = np.full(len(starts), WordShape.MIXED, dtype=np.uint8)
    shapes[(uppers == 1) & first_upper & (digits == 0)] = WordShape.CAPITAL
    shapes[(lowers == 0) & (uppers > 1) & (digits == 0)] = WordShape.CAPS
    shapes[(uppers == 0) & (lowers > 0) & (digits == 0)] = WordShape.LOWER
    shapes[(letters == 0) & (digits > 0)] = WordShape.DIGITS
    shapes[(letters == 0) & (digits == 0)] = WordShape.OTHER
    return shapes


def _counts(flags: npt.NDArray[np.bool_], starts: Offsets, ends: Offsets) -> npt.NDArray[np.int64]:
    running = np.concatenate([[0], np.cumsum(flags)])
    return np.asarray(running[ends] - running[starts], dtype=np.int64)
