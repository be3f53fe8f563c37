"""Windows: nothing lost, nothing too long, shared parts that are shared, and cuts that survive an edit."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.texts import any_text, tokens_of
from workers.text.pieces import TextTokens, Window
from workers.text.sentences import split_sentences
from workers.text.windows import cut_windows


def windows_of(text: str, *, max_tokens: int = 64, overlap_tokens: int = 16) -> list[Window]:
    return cut_windows(
        text, tokens_of(text), split_sentences(text), max_tokens=max_tokens, overlap_tokens=overlap_tokens
    )


sizes = st.integers(4, 40).flatmap(lambda most: st.tuples(st.just(most), st.integers(0, most // 2)))


@given(any_text, sizes)
def test_windows_quote_the_document_and_never_exceed_the_limit(text: str, size: tuple[int, int]) -> None:
    for window in windows_of(text, max_tokens=size[0], overlap_tokens=size[1]):
        assert text[window.start : window.end] == window.text
        assert 0 < len(window.tokens) <= size[0]
        assert all(0 <= a < b <= len(window.text) for a, b in window.sentences)
        assert (window.sentences[0][0], window.sentences[-1][1]) == (0, len(window.text))
        assert window.tokens.starts.min() >= 0
        assert window.tokens.ends.max() <= len(window.text)


@given(any_text, sizes)
def test_windows_together_hold_every_sentence_and_every_token_once(text: str, size: tuple[int, int]) -> None:
    windows = windows_of(text, max_tokens=size[0], overlap_tokens=size[1])
    tokens = tokens_of(text)
    if not len(tokens):
        assert windows == []
        return
    fresh = [
        int(start) + window.start for window in windows for start in window.tokens.starts if start >= window.shared
    ]
    assert fresh == tokens.starts.tolist()
    unseen = list(text)
    for window in windows:
        unseen[window.start : window.end] = " " * len(window.text)
    assert "".join(unseen).strip() == ""


@given(any_text, sizes)
def test_a_shared_part_is_the_tail_of_the_window_before_and_not_too_long(text: str, size: tuple[int, int]) -> None:
    windows = windows_of(text, max_tokens=size[0], overlap_tokens=size[1])
    assert not windows or windows[0].shared == 0
    for before, window in pairwise(windows):
        assert before.start < window.start
        assert before.end < window.end
        if window.shared:
            assert before.text.endswith(window.text[: window.shared])
            assert window.start + window.shared == before.end
            assert int(np.count_nonzero(window.tokens.starts < window.shared)) <= size[1]


@given(any_text, sizes)
def test_sentences_of_windows_are_the_documents_unless_one_is_too_long(text: str, size: tuple[int, int]) -> None:
    document = split_sentences(text)
    tokens = tokens_of(text)
    too_long = [span for span in document if len(tokens.between(*span)) > size[0]]
    for window in windows_of(text, max_tokens=size[0], overlap_tokens=size[1]):
        for a, b in window.sentences:
            span = (a + window.start, b + window.start)
            assert span in document or any(start <= span[0] and span[1] <= end for start, end in too_long)


@given(any_text)
def test_a_text_that_fits_is_one_window(text: str) -> None:
    tokens = len(tokens_of(text))
    assert len(windows_of(text, max_tokens=max(tokens, 1), overlap_tokens=0)) == (1 if tokens else 0)


@pytest.mark.parametrize("text", ["", "   \n ", "\x00\x00. \x00".replace(".", "")])
def test_a_text_without_tokens_has_no_window(text: str) -> None:
    assert windows_of(text) == []


def test_whole_sentences_are_shared_up_to_the_overlap() -> None:
    text = " ".join(f"This is sentence number {number}." for number in range(100))  # 8 tokens each or so
    windows = windows_of(text, max_tokens=64, overlap_tokens=20)
    assert len(windows) > 5
    for window in windows[1:]:
        shared = [span for span in window.sentences if span[1] <= window.shared]
        assert len(shared) == 2
        assert shared[-1][1] == window.shared


def test_nothing_is_shared_if_nothing_may_be() -> None:
    text = " ".join(f"This is sentence number {number}." for number in range(100))
    assert {window.shared for window in windows_of(text, overlap_tokens=0)} == {0}


def test_a_long_sentence_is_cut_between_words() -> None:
    text = " ".join(["abcdefghij"] * 500)  # three tokens a word, no mark anywhere
    windows = windows_of(text, max_tokens=64)
    assert all(set(window.text.split()) == {"abcdefghij"} for window in windows)
    assert sum(len(window.text.split()) for window in windows) == 500


def test_a_word_longer_than_a_window_is_cut_too() -> None:
    windows = windows_of("a" * 2_000, max_tokens=64)
    assert "".join(window.text for window in windows) == "a" * 2_000


def test_a_cut_prefers_the_end_of_a_paragraph() -> None:
    sentence = "These are some words of a sentence."
    text = " ".join([sentence] * 5) + "\n\n" + " ".join([sentence] * 40)
    assert windows_of(text, max_tokens=64, overlap_tokens=0)[0].text == " ".join([sentence] * 5)


def test_too_many_tokens_at_one_character_are_an_error_and_not_a_hang() -> None:
    at_zero = np.zeros(100, np.int32)
    tokens = TextTokens(at_zero, at_zero, at_zero + 1, at_zero)
    with pytest.raises(ValueError, match="start at one code point"):
        cut_windows("a", tokens, [(0, 1)], max_tokens=16, overlap_tokens=0)


def made_up_text(seed: int, *, words: int, paragraphs: bool, marks: bool = True) -> str:
    rng = random.Random(seed)
    vocabulary = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(2_000)]
    sentences = []
    count = 0
    while count < words:
        length = rng.randint(5, 30)
        count += length
        sentence = " ".join(rng.choices(vocabulary, k=length))
        sentences.append(sentence.capitalize() + "." if marks else sentence)
    gaps = ["\n\n" if paragraphs and rng.random() < 0.3 else " " for _ in sentences]
    return "".join(sentence + gap for sentence, gap in zip(sentences, gaps, strict=True))


@pytest.mark.parametrize("layout", ["paragraphs", "one paragraph", "no marks"])
@pytest.mark.parametrize("overlap_tokens", [0, 32])
def test_an_edit_at_the_start_leaves_the_later_windows_as_they_were(layout: str, overlap_tokens: int) -> None:
    kept = total = 0
    for seed in range(5):
        text = made_up_text(seed, words=3_000, paragraphs=layout == "paragraphs", marks=layout != "no marks")
        at = split_sentences(text)[1][0] if layout != "no marks" else text.index(" ", 200) + 1
        edited = text[:at] + "Nobody had expected this new sentence here. " + text[at:]
        before = {window.text for window in windows_of(text, max_tokens=254, overlap_tokens=overlap_tokens)}
        after = windows_of(edited, max_tokens=254, overlap_tokens=overlap_tokens)
        kept += sum(window.text in before for window in after)
        total += len(after)
    assert kept > 0.8 * total
    assert total > 5 * 20
