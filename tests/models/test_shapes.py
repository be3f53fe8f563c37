"""The vectorised word shapes are those of a plain reading."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.texts import any_text, tokens_of
from workers.models.shapes import WordShape, word_shapes


def shape_by_hand(word: str) -> WordShape:
    upper = [character.isupper() or character.istitle() for character in word]
    lower = sum(character.islower() and not up for character, up in zip(word, upper, strict=True))
    digits = sum(character.isdecimal() for character in word)
    if not sum(upper) + lower:
        return WordShape.DIGITS if digits else WordShape.OTHER
    if digits:
        return WordShape.MIXED
    if not sum(upper):
        return WordShape.LOWER
    if sum(upper) == 1 and upper[0]:
        return WordShape.CAPITAL
    return WordShape.CAPS if sum(upper) > 1 and not lower else WordShape.MIXED


def shapes_of(text: str, spans: list[tuple[int, int]]) -> list[int]:
    bounds = np.array(spans, dtype=np.int32).reshape(-1, 2)
    return [int(shape) for shape in word_shapes(text, bounds[:, 0], bounds[:, 1])]


@settings(deadline=None)
@given(st.text(max_size=60) | any_text)
def test_every_word_has_the_shape_that_its_letters_have(text: str) -> None:
    tokens = tokens_of(text, longest=1_000)
    spans = list(zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True))
    assert shapes_of(text, spans) == [shape_by_hand(text[start:end]) for start, end in spans]


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("London", WordShape.CAPITAL), ("A", WordShape.CAPITAL), ("Élan", WordShape.CAPITAL), ("ÉLAN", WordShape.CAPS),
        ("NATO", WordShape.CAPS), ("iPhone", WordShape.MIXED), ("McDonald", WordShape.MIXED), ("2nd", WordShape.MIXED),
        ("1999", WordShape.DIGITS), ("the", WordShape.LOWER), ("ß", WordShape.LOWER), ("中文", WordShape.OTHER),
        ("👩", WordShape.OTHER), ("\ud800", WordShape.OTHER), (",", WordShape.OTHER), ("\U00010400", WordShape.CAPITAL),
    ],
)  # fmt: skip
def test_known_words_have_known_shapes(word: str, shape: WordShape) -> None:
    assert shapes_of(f"x {word} y", [(2, 2 + len(word))]) == [shape]
