"""From the results of windows to those of the document, one stage at a time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Entity
from tests.fakes.models import words_of
from workers.stages.classification import merge_classification
from workers.stages.entities import merge_entities, without_overlaps
from workers.stages.relations import merge_relations
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    FoundEntity,
    FoundRelation,
    Quoting,
    RelationsResult,
    SummaryResult,
    Weights,
)
from workers.stages.summary import QUOTING, merge_summary, quoting_of
from workers.text.pieces import Window

TEXT = "Ada Lovelace met Babbage. They lived in London."
SENTENCES = ((0, 25), (26, 47))


def window(start: int, end: int, shared: int = 0) -> Window:
    """The slice of TEXT; sentences are those wholly inside it."""
    inside = tuple((a - start, b - start) for a, b in SENTENCES if start <= a and b <= end)
    return Window(TEXT[start:end], start, inside, words_of(TEXT[start:end]), shared)


WHOLE = window(0, 47)
ADA, BABBAGE = FoundEntity("PER", 0, 12, 0.9), FoundEntity("PER", 17, 24, 0.8)


def entities(*per_window: tuple[Window, list[FoundEntity]], min_score: float | None = None) -> tuple[Entity, ...]:
    windows = [w for w, _ in per_window]
    results = [EntitiesResult(tuple(f)) for _, f in per_window]
    return merge_entities(windows, results, thresholds={"LOC": 0.3}, min_score=min_score)


def test_an_entity_found_by_two_windows_counts_once_with_the_better_score() -> None:
    london = FoundEntity("LOC", 40, 46, 0.6)
    again = FoundEntity("LOC", 40 - 26, 46 - 26, 0.95)
    found = entities((WHOLE, [london]), (window(26, 47, shared=21), [again]))
    assert [(e.id, e.text, e.score) for e in found] == [("e1", "London", 0.95)]


def test_of_overlapping_entities_the_better_scored_stays() -> None:
    shorter = FoundEntity("LOC", 4, 12, 0.95)
    assert [e.text for e in entities((WHOLE, [ADA]), (WHOLE, [shorter]))] == ["Lovelace"]


@pytest.mark.parametrize(
    ("type_", "score", "kept"), [("LOC", 0.31, 1), ("LOC", 0.29, 0), ("PER", 0.49, 0), ("PER", 0.51, 1)]
)
def test_an_entity_needs_the_threshold_of_its_type(type_: str, score: float, kept: int) -> None:
    assert len(entities((WHOLE, [FoundEntity(type_, 0, 3, score)]))) == kept


def test_entities_below_the_threshold_are_left_out() -> None:
    assert [e.text for e in entities((WHOLE, [ADA, BABBAGE]), min_score=0.85)] == ["Ada Lovelace"]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9), st.sampled_from(["A", "B"])), max_size=40))
def test_what_is_kept_never_overlaps_and_nothing_clear_is_dropped(spans: list[tuple[int, int, str]]) -> None:
    by_merit = [(start, start + length, kind) for start, length, kind in spans]
    kept = without_overlaps(by_merit)
    assert all(left[1] <= right[0] for left, right in pairwise(kept))
    for place in by_merit:
        assert place in kept or any(place[0] < other[1] and other[0] < place[1] for other in kept)


def relations_of(*per_window: tuple[Window, RelationsResult], min_score: float | None = None) -> list[tuple[str, ...]]:
    found = entities(*[(w, list(result.entities)) for w, result in per_window], min_score=0)
    merged = merge_relations(
        found, [w for w, _ in per_window], [r for _, r in per_window], thresholds={"met": 0.4}, min_score=min_score
    )
    texts = {entity.id: entity.text for entity in found}
    return [(texts[r.head], r.type, texts[r.tail], TEXT[r.evidence.start : r.evidence.end]) for r in merged]


def pair(score: float, *, head: int = 0, tail: int = 1) -> RelationsResult:
    return RelationsResult((ADA, BABBAGE), (FoundRelation("met", head, tail, score),))


def test_a_relation_names_its_ends_and_quotes_its_sentence() -> None:
    assert relations_of((WHOLE, pair(0.5))) == [("Ada Lovelace", "met", "Babbage", "Ada Lovelace met Babbage.")]


def test_a_relation_keeps_its_direction() -> None:
    assert relations_of((WHOLE, pair(0.5, head=1, tail=0)))[0][:3] == ("Babbage", "met", "Ada Lovelace")


@pytest.mark.parametrize(("score", "min_score", "count"), [(0.39, None, 0), (0.41, None, 1), (0.41, 0.6, 0)])
def test_a_relation_needs_the_threshold_of_its_type(score: float, min_score: float | None, count: int) -> None:
    assert len(relations_of((WHOLE, pair(score)), min_score=min_score)) == count


def test_a_relation_of_two_windows_counts_once() -> None:
    assert len(relations_of((WHOLE, pair(0.5)), (WHOLE, pair(0.7)))) == 1


def test_a_relation_whose_end_lost_to_an_overlap_is_left_out() -> None:
    better = FoundEntity("ORG", 4, 24, 0.99)
    found = merge_entities([WHOLE], [EntitiesResult((ADA, BABBAGE, better))], thresholds={}, min_score=0)
    assert merge_relations(found, [WHOLE], [pair(0.9)], thresholds={}, min_score=None) == ()


def classify(*results: ClassificationResult, min_score: float = 0.5, multi_label: bool = False) -> list[str]:
    merged = merge_classification(
        ("a", "b", "c"), results, temperature=0.1, min_score=min_score, multi_label=multi_label
    )
    assert merged.abstained == (not merged.labels)
    assert [c.score for c in merged.candidates] == sorted((c.score for c in merged.candidates), reverse=True)
    return [label.name for label in merged.labels]


def test_the_best_label_is_given() -> None:
    assert classify(ClassificationResult((0.1, 0.6, 0.2), 10)) == ["b"]


def test_the_stage_abstains_when_no_label_stands_out() -> None:
    assert classify(ClassificationResult((0.3, 0.3, 0.31), 10)) == []


def test_long_windows_outweigh_short_ones() -> None:
    assert classify(ClassificationResult((0.6, 0.1, 0.1), 10), ClassificationResult((0.1, 0.6, 0.1), 90)) == ["b"]


def test_several_labels_are_given_only_when_asked_for() -> None:
    even = ClassificationResult((0.5, 0.5, -0.5), 10)
    assert classify(even, min_score=0.4) == ["a"]
    assert classify(even, min_score=0.4, multi_label=True) == ["a", "b"]


SALIENCE = Weights(1, 0, 0, 0, 0, 0, 0)


def summarise(
    vectors: list[list[int]], salience: list[float], tokens: list[int], count: int, weights: Weights = SALIENCE
) -> list[int]:
    """Sentences of ten characters; returns the numbers of those chosen."""
    text = " ".join(f"Sentence{n}." if n < 10 else f"Sentenc{n}." for n in range(len(tokens)))
    spans = tuple((11 * n, 11 * n + 10) for n in range(len(tokens)))
    result = SummaryResult(tuple(salience), np.array(vectors, dtype=np.int8), tuple(tokens))
    quoting = Quoting(one=weights, several=weights)
    merged = merge_summary(
        text, [Window(text, 0, spans, words_of(text))], [result], max_sentences=count, quoting=quoting
    )
    return [] if merged is None else [span.start // 11 for span in merged.sentences]


def test_a_summary_takes_what_is_salient_in_the_order_of_the_text() -> None:
    vectors = [[127, 0], [0, 127], [90, 90], [90, -90], [0, -127]]
    assert summarise(vectors, [-9, -9, 9, -9, -9], [20] * 5, 1) == [2]
    assert summarise(vectors, [-9, 7, -9, 9, 8], [20] * 5, 3) == [1, 3, 4]


def test_place_length_and_likeness_to_the_document_count() -> None:
    vectors, level = [[127, 0], [0, 127], [0, 127]], [0.0] * 3
    assert summarise(vectors, level, [20] * 3, 1, replace(SALIENCE, position=-1)) == [0]
    assert summarise(vectors, level, [20] * 3, 1, replace(SALIENCE, position=1)) == [2]
    assert summarise(vectors, level, [20] * 3, 2, replace(SALIENCE, centrality=1)) == [1, 2]
    assert summarise(vectors, level, [20, 30, 20], 1, replace(SALIENCE, length=1)) == [1]


def test_a_weight_for_long_documents_counts_more_the_longer_they_are_and_less_in_short_ones() -> None:
    late = replace(SALIENCE, position_long=1)
    for count, expected in ((3, 0), (30, 29), (400, 399)):
        text = " ".join(["A sentence."] * count)
        spans = tuple((12 * n, 12 * n + 11) for n in range(count))
        result = SummaryResult((0.0,) * count, np.full((count, 1), 127, dtype=np.int8), (20,) * count)
        window = Window(text, 0, spans, words_of(text))
        merged = merge_summary(text, [window], [result], max_sentences=1, quoting=Quoting(late, late))
        assert merged is not None
        assert merged.sentences[0].start == spans[expected][0]


def test_one_sentence_and_several_are_weighed_apart() -> None:
    text = "One sentence of some words here. Another sentence with more words."
    window = Window(text, 0, ((0, 32), (33, 66)), words_of(text))
    result = SummaryResult((1.0, 2.0), np.eye(2, dtype=np.int8) * 127, (7, 6))
    quoting = Quoting(one=replace(SALIENCE, salience=-1), several=SALIENCE)
    for count, text_quoted in ((1, text[:32]), (2, text)):
        merged = merge_summary(text, [window], [result], max_sentences=count, quoting=quoting)
        assert merged is not None
        assert merged.text == text_quoted


def test_a_models_weights_survive_the_way_through_its_thresholds() -> None:
    quoting = Quoting(one=Weights(1, 2, 3, 4, 5, 6, 7), several=Weights(8, 9, 10, 11, 12, 13, 14))
    assert quoting_of(quoting.named()) == quoting
    assert quoting_of({}) == QUOTING
    with pytest.raises(KeyError):
        quoting_of({"one_salience": 1.0})


def test_a_summary_does_not_say_the_same_twice() -> None:
    vectors = [[127, 0], [127, 0], [127, 0], [90, 90]]
    assert summarise(vectors, [0.2, 0.1, 0.1, 0], [20] * 4, 2, replace(SALIENCE, redundancy=2)) == [0, 3]
    assert summarise(vectors, [0.2, 0.1, 0.1, 0], [20] * 4, 2, replace(SALIENCE, redundancy=0)) == [0, 1]


def test_headings_and_endless_sentences_are_not_quoted() -> None:
    assert summarise([[127, 0]] * 3, [9, 0, 9], [2, 20, 500], 2) == [1]
    assert summarise([[127, 0]] * 2, [9, 9], [2, 500], 2) == []


def test_a_sentence_that_two_windows_share_is_quoted_once() -> None:
    text = "One sentence of some words here. Another sentence with more words."
    first = Window(text, 0, ((0, 32), (33, 66)), words_of(text))
    second = Window(text[33:], 33, ((0, 33),), words_of(text[33:]), shared=33)
    results = [
        SummaryResult((0.0, 0.0), np.eye(2, dtype=np.int8) * 127, (7, 6)),
        SummaryResult((0.0,), np.array([[0, 127]], dtype=np.int8), (6,)),
    ]
    merged = merge_summary(text, [first, second], results, max_sentences=3)
    assert merged is not None
    assert merged.text == text
