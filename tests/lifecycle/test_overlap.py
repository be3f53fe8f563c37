"""What training takes for a good quote: overlap with references, for one sentence and for several together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.lifecycle.overlap import overlaps

WORDS = st.lists(st.sampled_from(["ada", "met", "alan", "in", "rome"]), max_size=6).map(" ".join)


def one(sentence: str, reference: str) -> float:
    return float(overlaps([sentence], [reference], np.array([[0]]))[0])


def test_the_same_words_in_order_are_worth_one_and_others_nothing() -> None:
    assert one("Ada met Alan.", "ada met alan") == pytest.approx(1)
    assert one("Ada met Alan.", "it rained") == 0


def test_words_and_pairs_of_words_count_alike() -> None:
    assert one("alan met ada", "ada met alan") == pytest.approx(0.5)  # all words, no pair


def test_a_word_counts_no_more_often_than_the_reference_has_it() -> None:
    # Words: 1 of 3 and of 1, F 0.5; pairs: none.
    assert one("ada ada ada", "ada") == pytest.approx(0.25)


def test_sentences_are_joined_without_a_pair_across_their_border() -> None:
    sentences = ["ada met", "alan", "it rained"]
    # Words: 3 of 3 and of 3; pairs: 1 of 1 and of 2.
    found = overlaps(sentences, ["ada met alan"], np.array([[0, 1], [0, 2]]))
    assert found[0] == pytest.approx((1 + 2 / 3) / 2)
    assert found[0] > found[1]


def test_several_references_are_averaged() -> None:
    both = overlaps(["ada met alan"], ["ada met alan", "it rained"], np.array([[0]]))
    assert both[0] == pytest.approx(0.5)


@given(sentences=st.lists(WORDS, min_size=2, max_size=4), reference=WORDS)
def test_overlap_lies_between_none_and_all_and_does_not_depend_on_order(sentences: list[str], reference: str) -> None:
    found = overlaps(sentences, [reference], np.array([[0, 1], [1, 0]]))
    assert found[0] == pytest.approx(found[1])
    assert 0 <= found[0] <= 1 + 1e-9
