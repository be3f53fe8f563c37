"""Other names, the same sentences."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.training_data import write_training_data
from tests.lifecycle.test_train import small_model, small_recipe
from workers.lifecycle.data import Fact, Labelled, Mention
from workers.lifecycle.gathering import OTHER_NAMES, gather
from workers.lifecycle.recipe import TRAINING, TrainSettings
from workers.lifecycle.renaming import LONGEST, Names, names_of, renamed

TYPES = {"person": "PER", "place": "LOC", "day": "DATE"}
NAMES: Names = {"PER": [("Ada",), ("Grace", "Hopper")], "LOC": [("Rome",), ("New", "York", "City")]}


@st.composite
def texts(draw: st.DrawFn) -> Labelled:
    """Sentences of words w0, w1 ... with names between them, each of a type, known or not."""
    tokens: list[str] = []
    mentions: list[Mention] = []
    starts = []
    for _ in range(draw(st.integers(1, 4))):
        starts.append(len(tokens))
        for _ in range(draw(st.integers(1, 4))):
            tokens.append(f"w{len(tokens)}")
            if draw(st.booleans()):
                length = draw(st.integers(1, 3))
                kind = draw(st.sampled_from([*TYPES, "unknown"]))
                mentions.append(Mention(len(tokens), len(tokens) + length, kind, len(mentions)))
                tokens += [f"n{len(mentions)}"] * length
    facts = (Fact(0, len(mentions) - 1, "knows"),) if mentions else ()
    return Labelled("t", tuple(tokens), tuple(mentions), facts, tuple(starts))


@given(texts(), st.integers(0, 1_000))
def test_all_but_the_names_stays(text: Labelled, seed: int) -> None:
    other = renamed(text, TYPES, NAMES, random.Random(seed))
    if other is None:
        assert not text.mentions
        return
    assert [token for token in other.tokens if token.startswith("w")] == [t for t in text.tokens if t.startswith("w")]
    assert other.facts == text.facts
    assert len(other.mentions) == len(text.mentions)
    for new, old in zip(other.mentions, text.mentions, strict=True):
        assert (new.type, new.cluster) == (old.type, old.cluster)
        name, own = other.tokens[new.start : new.end], text.tokens[old.start : old.end]
        assert name == own or name in NAMES[TYPES[old.type]]
    for new_start, old_start in zip(other.sentence_starts, text.sentence_starts, strict=True):
        assert other.tokens[new_start] == text.tokens[old_start]


def test_names_are_taken_from_all_texts_by_the_models_types() -> None:
    first = Labelled("1", ("Ada", "in", "Rome", "today"), (Mention(0, 1, "person", 0), Mention(2, 3, "place", 1)))
    second = Labelled("2", ("Ada", "and", "Grace"), (Mention(0, 1, "PER", 0), Mention(2, 3, "PER", 1)))
    long = Labelled("3", ("x",) * 9, (Mention(0, LONGEST + 1, "PER", 0), Mention(8, 9, "day", 1)))
    own = {"PER": "PER"}
    found = names_of([(first, TYPES), (second, own), (long, own | TYPES)], ("PER", "DATE"))
    assert found == {"PER": [("Ada",), ("Grace",)]}, "no place, no day, no title, each name once"


def test_mentions_in_each_other_are_left_alone() -> None:
    nested = Labelled("n", ("Bank", "of", "Rome"), (Mention(0, 3, "person", 0), Mention(2, 3, "place", 1)))
    assert renamed(nested, TYPES, NAMES, random.Random(1)) is None


def test_other_names_are_more_examples_of_tagged_texts_and_change_no_other(tmp_path: Path) -> None:
    data, tokenizer = write_training_data(tmp_path, rows=6), small_model().tokenizer
    plain, more = (gather(data, tokenizer, small_recipe(renamed=times)) for times in (0, 2))
    assert not plain.renamed
    tagged = {source.name for source in TRAINING if source.form == "tagged"}
    assert {example.source for example in more.renamed} == tagged
    texts = [[example.window.text for example in data.examples] for data in (plain, more)]
    assert texts[0] == texts[1]
    assert {example.window.text for example in more.renamed} - set(texts[0]), "names that stood elsewhere"
    asked = TRAINING[-1].model_copy(update={"renamed": 1})
    alone = gather(data, tokenizer, TrainSettings(sources=(asked,), dev=()))
    assert alone.counts[OTHER_NAMES] == len(alone.renamed) > 0, "related texts where their source asks for it"
