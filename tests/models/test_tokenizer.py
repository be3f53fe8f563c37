"""Offsets count code points of the original text, whatever the text holds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.fakes.texts import any_text
from workers.models.store import find_trunk
from workers.models.tokenizer import SubwordTokenizer
from workers.text.pieces import TextTokens

TOKENIZER = SubwordTokenizer(find_trunk().tokenizer)


def slices(text: str, tokens: TextTokens) -> list[str]:
    return [text[start:end] for start, end in zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True)]


@settings(deadline=None)
@given(any_text)
def test_tokens_are_slices_of_the_text_in_order(text: str) -> None:
    (tokens,) = TOKENIZER.cut([text])
    assert all(0 <= start < end <= len(text) for start, end in zip(tokens.starts, tokens.ends, strict=True))
    assert all(tokens.starts[1:] >= tokens.starts[:-1])
    assert all(tokens.ends[1:] >= tokens.ends[:-1])
    assert all(tokens.words[1:] >= tokens.words[:-1])


@settings(deadline=None)
@given(any_text)
def test_no_letter_or_digit_of_a_plain_text_is_without_token(text: str) -> None:
    (tokens,) = TOKENIZER.cut([text])
    covered = {
        place for a, b in zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True) for place in range(a, b)
    }
    assert not [c for place, c in enumerate(text) if c.isascii() and c.isalnum() and place not in covered]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Die Mu\u0308he", ["Die", "Mu", "he"]),
        ("中文 ok", ["中", "文", "ok"]),
        ("a\x00b c", ["a\x00b", "c"]),
        ("👩 Berlin 🇩🇪 x", ["👩", "Berlin", "🇩", "🇪", "x"]),
        ("\ud800 Rome", ["\ud800", "Rome"]),
        ("one\u2028two", ["one", "two"]),
        ("", []),
    ],
)
def test_the_last_word_is_found_behind_whatever_stands_before_it(text: str, expected: list[str]) -> None:
    (tokens,) = TOKENIZER.cut([text])
    found = slices(text, tokens)
    assert all(piece and piece in text for piece in found)
    if expected:
        assert found[-1] == expected[-1] or expected[-1].endswith(found[-1])
        assert tokens.ends[-1] == len(text)


def test_long_texts_are_not_cut_short() -> None:
    (tokens,) = TOKENIZER.cut(["word " * 3_000])
    assert len(tokens) == 3_000


def test_a_text_is_cut_the_same_alone_and_in_company() -> None:
    texts = ["Angela Merkel", "a much longer text with many words " * 20, ""]
    together = TOKENIZER.cut(texts)
    for text, tokens in zip(texts, together, strict=True):
        (alone,) = TOKENIZER.cut([text])
        assert (alone.ids.tolist(), alone.starts.tolist(), alone.words.tolist()) == (
            tokens.ids.tolist(),
            tokens.starts.tolist(),
            tokens.words.tolist(),
        )
