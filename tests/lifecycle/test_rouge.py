"""ROUGE by hand: what fits is 1, of several references the best one counts, and a line is a sentence."""

from __future__ import annotations

import pytest

from workers.lifecycle.formats import Referenced
from workers.lifecycle.rouge import Rouge
from workers.lifecycle.summaries import usual_length


def test_the_same_words_in_other_forms_fit() -> None:
    assert Rouge().score(["Cats were sitting."], [["cat were sit"]]) == pytest.approx((1, 1, 1))


def test_unigrams_and_bigrams_are_counted_and_the_best_reference_counts_for_each() -> None:
    found = Rouge().score(["a b c d"], [["a x y z"], ["d c b q"], ["a b y z"]])
    assert found[0] == pytest.approx(3 / 4)  # d, c, b
    assert found[1] == pytest.approx(1 / 3)  # "a b", which only the third reference has


def test_the_order_of_sentences_does_not_matter_and_line_breaks_inside_one_do_not_cut_it() -> None:
    reference = [["one two three four five six"]]
    assert Rouge().score(["four five six", "one two three"], reference)[2] == pytest.approx(1)
    together = Rouge().score(["four five six one two three"], reference)[2]
    assert together == pytest.approx(1 / 2)
    assert Rouge().score(["four five six\n\none two three"], reference)[2] == together


def test_a_summary_is_as_long_as_references_usually_are_within_bounds() -> None:
    def documents(*lengths: int) -> list[Referenced]:
        return [Referenced("t", ("t",), (("s",) * length,)) for length in lengths]

    assert usual_length(documents(1, 2, 9), 3) == 2
    assert usual_length(documents(5, 6), 3) == 3
    assert usual_length(documents(0), 3) == 1
