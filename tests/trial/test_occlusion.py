"""Parts quote the text and hold every word; a model whose answer is a sum of its words gets each word's share back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Classification, Label
from workers.trial.occlusion import WORD, explain, parts_of

WEIGHTS = {"goal": 1.5, "match": 0.75, "tax": -2.0}  # log-odds of sport


def sport_or_not(text: str) -> Classification:
    """A model that is a sum: its explanation is known."""
    score = round(1 / (1 + math.exp(-sum(WEIGHTS.get(word, 0.0) for word in text.split()))), 4)
    both = sorted([("sport", score), ("other", 1 - score)], key=lambda row: -row[1])
    labels = tuple(Label(name=name, score=share) for name, share in both)
    return Classification(labels=labels[:1], abstained=False, candidates=labels)


def answers(texts: Sequence[str]) -> list[Classification | None]:
    return [sport_or_not(text) for text in texts]


def test_each_word_gets_the_share_that_it_has() -> None:
    text = "The goal of the match, match tax"
    found = explain(text, sport_or_not(text), answers, most_parts=20)
    assert found is not None
    assert (found.label, found.words_in_part) == ("sport", 1)
    shares = {text[part.start : part.end]: part.weight for part in found.parts}
    assert shares["The"] == 0.0
    assert shares["goal"] == pytest.approx(1.5, abs=0.01)
    assert shares["match"] == pytest.approx(0.75, abs=0.01)
    assert shares["tax"] == pytest.approx(-2.0, abs=0.01)


def test_long_texts_are_explained_by_groups_of_words() -> None:
    text = "goal " * 95 + "tax"
    found = explain(text, sport_or_not("goal"), answers, most_parts=10)
    assert found is not None
    assert (len(found.parts), found.words_in_part) == (10, 10)


@pytest.mark.parametrize("text", ["", " \n", "word"])
def test_what_has_no_parts_has_no_explanation(text: str) -> None:
    assert explain(text, sport_or_not(text), answers, most_parts=10) is None


def test_a_part_that_the_model_does_not_answer_without_has_no_weight() -> None:
    found = explain("goal match", sport_or_not("goal match"), lambda texts: [None for _ in texts], most_parts=10)
    assert found is not None
    assert [part.weight for part in found.parts] == [0.0, 0.0]


@given(st.text(max_size=300), st.integers(2, 20))
def test_parts_are_in_order_few_and_hold_every_character_that_is_no_space(text: str, most: int) -> None:
    spans, words = parts_of(text, most)
    assert len(spans) <= most
    assert all(start < end for start, end in spans)
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    assert edges == sorted(edges)
    outside = "".join(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
    assert outside.strip() == ""
    assert all(len(WORD.findall(text[start:end])) <= words for start, end in spans)
