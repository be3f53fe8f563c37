"""Windows are prepared together, and each comes out as if it had been alone."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.clock import trunk_tokenizer
from tests.fakes.texts import any_text
from workers.models import prepared
from workers.models.prepared import PreparedWindow, prepare_window, prepare_windows
from workers.text.pieces import Window
from workers.text.sentences import split_sentences

TOKENIZER = trunk_tokenizer()


def windows_of(texts: list[str]) -> list[Window]:
    return [
        Window(text, 0, tuple(split_sentences(text)), tokens)
        for text, tokens in zip(texts, TOKENIZER.cut(texts), strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(any_text, max_size=5))
def test_a_window_is_prepared_the_same_alone_and_in_company(texts: list[str]) -> None:
    windows = windows_of(texts)
    together = prepare_windows(windows, start_id=101, end_id=102)
    assert len(together) == len(windows)
    for window, found in zip(windows, together, strict=True):
        alone = prepare_window(window, start_id=101, end_id=102)
        for field in fields(PreparedWindow):
            np.testing.assert_array_equal(getattr(found, field.name), getattr(alone, field.name))


def test_positions_count_from_the_start_token() -> None:
    (_, item) = prepare_windows(windows_of(["Ah.", "Rome is old. Unbelievably!"]), start_id=101, end_id=102)
    pieces = list(zip(item.word_firsts.tolist(), item.word_lasts.tolist(), strict=True))
    words = [item.text[a:b] for a, b in zip(item.word_starts.tolist(), item.word_ends.tolist(), strict=True)]
    assert words == ["Rome", "is", "old", ".", "Unbelievably", "!"]
    assert pieces[:4] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert pieces[4][0] == 5
    assert pieces[4][1] > 5  # more than one subword
    assert item.ids[0] == 101
    assert item.ids[-1] == 102
    assert item.sentence_begins.tolist() == [1, 5]
    assert item.sentence_ends.tolist() == [5, len(item.ids) - 1]


def test_more_windows_than_are_laid_end_to_end_keep_their_order() -> None:
    windows = windows_of([f"Window {number}." for number in range(prepared.TOGETHER + 3)])
    assert [item.text for item in prepare_windows(windows, start_id=1, end_id=2)] == [w.text for w in windows]
