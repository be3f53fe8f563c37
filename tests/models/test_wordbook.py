"""The law of the word book: what it says of a text is what the tokenizer itself says, to the last offset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.clock import trunk_tokenizer
from tests.fakes.texts import any_text
from workers.models.wordbook import LONGEST_PIECE, WordBook
from workers.text.pieces import TextTokens

TOKENIZER = trunk_tokenizer()
STRANGE = st.text(
    alphabet="abXY09 .,!'-\n\t\r\x00\x0b\x0c\x1c\x85\u00a0\u00ad\u0301\u0308é中の"
    "\u200b\u2028\u3000ßİſ\ufffd😀ǅ\u0f71\u0344\u1100=\u0338[]",
    max_size=30,
)


def plainly(texts: Sequence[str]) -> list[TextTokens]:
    """Without the book: hundreds of texts in a call, for most are short."""
    return TOKENIZER._encode([text.encode("utf-8", "replace").decode() for text in texts])


def assert_same(found: TextTokens, expected: TextTokens) -> None:
    for name in ("ids", "starts", "ends", "words"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=60, deadline=None)
@given(st.lists(any_text | STRANGE, max_size=6))
def test_it_cuts_as_the_tokenizer_does(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    for found, expected in zip(WordBook(plainly).cut(texts), plainly(texts), strict=True):
        assert_same(found, expected)


def test_the_second_time_no_word_is_cut_again() -> None:
    asked: list[str] = []

    def counted(texts: Sequence[str]) -> list[TextTokens]:
        asked.extend(texts)
        return plainly(texts)

    book, text = WordBook(counted), "The unbelievable McDonald's, again. The end"
    first = book.cut([text])
    asked.clear()
    assert_same(book.cut([text, text])[1], first[0])
    assert asked == []


def test_it_starts_afresh_before_it_outgrows_its_bound() -> None:
    book = WordBook(plainly, most_pieces=4)
    for start in range(0, 30, 3):
        text = " ".join(f"word{number}" for number in range(start, start + 3))
        assert_same(book.cut([text])[0], plainly([text])[0])
        assert len(book._pages.numbers) <= 4


def test_a_text_without_spaces_is_not_remembered() -> None:
    book, text = WordBook(plainly), "中" * (LONGEST_PIECE + 1)
    assert_same(book.cut([text])[0], plainly([text])[0])
    assert not book._pages.numbers


@pytest.mark.parametrize("text", ["[CLS] a [MASK]b", "x[SEP]", "[cls]"])
def test_marks_of_the_tokenizer_in_a_text_are_read_as_it_reads_them(text: str) -> None:
    assert_same(TOKENIZER.cut([text])[0], plainly([text])[0])
