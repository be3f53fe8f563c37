"""Labels of a data set arrive at the right words and pairs, and what it does not say stays open."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.lifecycle.data import Fact, Labelled, Mention
from workers.lifecycle.examples import Example, ExampleMaker
from workers.lifecycle.gathering import joined
from workers.lifecycle.labels import (
    ENTITY_TYPES,
    PACKAGED,
    RELATION_SCHEMES,
    RELATION_TYPES,
    TAG_SCHEMES,
    scheme_of,
)
from workers.lifecycle.labelspace import AMBIGUOUS
from workers.lifecycle.recipe import TRAINING, TrainSettings
from workers.models.store import find_trunk
from workers.models.tokenizer import SubwordTokenizer
from workers.text.bio import spans_of

TOKENIZER = SubwordTokenizer(find_trunk().tokenizer)
NAMES = [relation.name for relation in RELATION_TYPES]


def examples(labelled: Labelled, source: str, limit: int = 254) -> list[Example]:
    maker = ExampleMaker(TOKENIZER, source, PACKAGED, scheme_of(source, PACKAGED), max_tokens=254)
    return list(maker.make(labelled, limit))


def spans_in(example: Example) -> list[tuple[str, str]]:
    """The entities that the example teaches, as text and type."""
    sure = example.possible.sum(axis=1) == 1
    spans = spans_of(np.where(sure, example.possible.argmax(axis=1), 0))
    window = example.window
    return [
        (window.text[window.word_starts[a] : window.word_ends[b - 1]], ENTITY_TYPES[t])
        for a, b, t in zip(spans.starts.tolist(), spans.ends.tolist(), spans.types.tolist(), strict=True)
    ]


def related(*facts: Fact, annotated: frozenset[str] | None = None) -> Labelled:
    words = "Ada Smith , wife of Bob , was born in New-York . She ( Ada ) left ."
    mentions = (Mention(0, 2, "PER", 0), Mention(5, 6, "PER", 1), Mention(10, 11, "LOC", 2), Mention(14, 15, "PER", 0))
    return Labelled("x", tuple(words.split()), mentions, facts, (0, 12), annotated)


def stated(example: Example) -> set[tuple[int, str, int]]:
    rows, types = np.nonzero(example.targets)
    return {
        (int(example.pairs.heads[row]), NAMES[kind], int(example.pairs.tails[row]))
        for row, kind in zip(rows, types, strict=True)
    }


def test_a_span_of_tokens_becomes_a_span_of_the_models_words() -> None:
    (example,) = examples(related(Fact(0, 2, "place of birth")), "redocred")
    assert spans_in(example) == [("Ada Smith", "PER"), ("Bob", "PER"), ("New-York", "LOC"), ("Ada", "PER")]


def test_directions_are_kept_turned_and_doubled_as_the_relation_asks() -> None:
    (example,) = examples(related(Fact(0, 2, "place of birth"), Fact(0, 1, "spouse"), Fact(1, 0, "child")), "redocred")
    # The second mention of Ada is nearer to the place.
    assert stated(example) == {(3, "born_in", 2), (0, "spouse", 1), (1, "spouse", 0), (0, "child_of", 1)}


def test_other_mentions_of_a_related_thing_are_neither_right_nor_wrong() -> None:
    (example,) = examples(related(Fact(0, 2, "place of birth")), "redocred")
    column = NAMES.index("born_in")
    pairs = list(zip(example.pairs.heads.tolist(), example.pairs.tails.tolist(), strict=True))
    flags = zip(example.known[:, column].tolist(), example.targets[:, column].tolist(), strict=True)
    by_pair = dict(zip(pairs, flags, strict=True))
    assert by_pair[3, 2] == (True, True), "the nearest mention"
    assert by_pair[0, 2] == (False, False)
    assert by_pair[1, 2] == (True, False), "Bob's birth place was looked for and is not given"


def test_only_the_properties_that_were_annotated_are_taught() -> None:
    fact = Fact(0, 2, "PLACE_OF_BIRTH")
    (example,) = examples(related(fact, annotated=frozenset({"PLACE_OF_BIRTH"})), "knowledgenet")
    taught = {NAMES[column] for column in np.flatnonzero(example.known.any(axis=0))}
    assert taught == {"born_in"}
    assert example.possible.all(), "its entities are not exhaustive: no tag is taught"


def test_a_near_relation_masks_ours_on_that_pair_only() -> None:
    (example,) = examples(related(Fact(0, 2, "work location"), Fact(1, 2, "place of birth")), "redocred")
    column = NAMES.index("lives_in")
    unknown = [
        (int(h), int(t))
        for h, t, known in zip(example.pairs.heads, example.pairs.tails, example.known[:, column], strict=True)
        if not known and int(t) == 2
    ]
    assert sorted(unknown) == [(0, 2), (3, 2)]


def test_a_type_that_a_set_does_not_annotate_is_open_where_nothing_is_tagged() -> None:
    labelled = Labelled("x", ("Bob", "left", "in", "1999"), (Mention(0, 1, "PER", 0),))
    (example,) = examples(labelled, "uner_ewt")
    open_types = {ENTITY_TYPES[(tag - 1) // 2] for tag in np.flatnonzero(example.possible[3]) if tag}
    assert open_types == {"MISC", "DATE", "NUMBER"}
    assert example.possible[0].sum() == 1


def test_sentences_are_never_cut_and_long_texts_are_cut_between_them() -> None:
    parts = examples(related(Fact(0, 2, "place of birth")), "redocred", limit=14)
    assert [part.window.text.split()[0] for part in parts] == ["Ada", "She"]


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(0, 99))
def test_joining_sentences_loses_none_and_moves_mentions_along(count: int, seed: int) -> None:
    sentences = [Labelled(str(n), (f"w{n}", "is", f"Name{n}"), (Mention(2, 3, "PER", 0),)) for n in range(count)]
    whole = list(joined(sentences, TrainSettings(), random.Random(seed)))
    assert [token for part in whole for token in part.tokens] == [token for part in sentences for token in part.tokens]
    found = [part.tokens[mention.start] for part in whole for mention in part.mentions]
    assert found == [f"Name{n}" for n in range(count)]


def test_the_tables_only_name_what_exists() -> None:
    for scheme in TAG_SCHEMES.values():
        assert set(scheme.types.values()) <= {*ENTITY_TYPES, AMBIGUOUS}
        assert scheme.exhaustive <= set(ENTITY_TYPES)
    for relations in RELATION_SCHEMES.values():
        for table in (relations.direct, relations.inverse, relations.near):
            assert set(table.values()) <= set(NAMES)
    for relation in RELATION_TYPES:
        assert {*relation.heads, *relation.tails} <= set(ENTITY_TYPES)


def test_no_test_split_is_trained_on() -> None:
    assert not [source.path for source in TRAINING if ".test." in source.path or "wikigold" in source.path]
