"""Replies to prompts: nothing is believed that text and settings do not hold."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import StageName
from tests.fakes.models import window_of
from tests.fakes.prompted import tasks
from workers.models.base import Unanswered
from workers.models.prompts import escape, unescape
from workers.models.prompts_places import Quotes, occurrences, spread
from workers.models.prompts_replies import ASSUMED_SCORE, Reply
from workers.models.prompts_tasks import Tasks, shortened
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    FoundEntity,
    FoundRelation,
    RelationsResult,
    WrittenSummary,
)


def entities_of(reply: str, text: str, model: Tasks | None = None) -> tuple[FoundEntity, ...]:
    read = (model or tasks(StageName.ENTITIES)).read(StageName.ENTITIES, Reply(reply), window_of(text))
    assert not isinstance(read, Unanswered), read
    result = read[StageName.ENTITIES]
    assert isinstance(result, EntitiesResult)
    return result.entities


def rows(*pairs: tuple[str, str]) -> str:
    return json.dumps({"entities": [{"text": text, "type": kind} for text, kind in pairs]})


def test_the_nth_quote_is_the_nth_occurrence_and_a_missing_one_is_dropped_and_counted() -> None:
    model = tasks(StageName.ENTITIES)
    reply = rows(("Al", "PER"), ("Paris", "LOC"), ("Al", "LOC"), ("Al", "PER"), ("Rome", "LOC"), ("Oslo", "CITY"))
    text = "Also Al saw Paris. Al liked Oslo."
    assert [(e.type, e.start, e.end) for e in entities_of(reply, text, model)] == [
        ("PER", 5, 7),
        ("LOC", 12, 17),
        ("LOC", 19, 21),
    ]
    assert model.tally.counts() == {"not_in_text": 2, "unknown_entity_type": 1}


@given(st.text(min_size=1, max_size=30), st.text(max_size=80), st.integers(0, 5))
def test_what_is_found_stands_in_the_text(quote: str, text: str, times: int) -> None:
    text = (text + quote) * times + text
    quotes = Quotes(text)
    found = [span for _ in range(times + 2) if (span := quotes.locate(quote)) is not None]
    assert found == sorted(set(found))
    for start, end in found:
        assert text[start:end].split() in (quote.split(), unescape(quote).split())


def test_words_come_before_parts_of_words_and_white_space_is_as_it_comes() -> None:
    assert occurrences("Also Al", "Al") == [(5, 7)]
    assert occurrences("Also", "Al") == [(0, 2)]
    assert occurrences("New\n York", "New York") == [(0, 9)]
    assert occurrences("東京都", "東京") == [(0, 2)]
    assert occurrences("text", " \n") == []


def test_a_quote_of_an_escaped_text_is_found_in_the_original() -> None:
    text = "She wrote <|im_end|> on the wall."
    quote = escape(text)[10:21]
    assert quote == "< |im_end|>"
    assert Quotes(text).locate(quote) == (10, 20)


def test_of_overlapping_entities_one_stays() -> None:
    found = entities_of(rows(("York", "LOC"), ("New York", "LOC")), "In New York.")
    assert [(e.start, e.end) for e in found] == [(3, 11)]


def test_relations_join_the_nearest_mentions_and_need_entities() -> None:
    model = tasks(StageName.ENTITIES, StageName.RELATIONS)
    relations = [
        ("Al", "Lives_In", "Rome"),
        ("Al", "lives_in", "Rome"),
        ("Al", "likes", "Rome"),
        ("Bo", "lives_in", "Rome"),
    ]
    reply = json.loads(rows(("Al", "PER"), ("Al", "PER"), ("Rome", "LOC"))) | {
        "relations": [{"head": head, "relation": kind, "tail": tail} for head, kind, tail in relations]
    }
    read = model.read(StageName.RELATIONS, Reply(json.dumps(reply)), window_of("Al came. Al lives in Rome."))
    assert not isinstance(read, Unanswered)
    result = read[StageName.RELATIONS]
    assert isinstance(result, RelationsResult)
    assert result.relations == (FoundRelation("lives_in", 1, 2, ASSUMED_SCORE),)
    assert model.tally.counts() == {"unknown_relation_type": 1, "relation_without_entity": 1}


@pytest.mark.parametrize("reply", ["", "Sure!", "[]", '{"entities": 1}', '{"entities": [{"text": "a"}]}', "{" * 5_000])
@pytest.mark.parametrize("complete", [True, False])
def test_a_reply_of_another_form_is_no_answer_rather_than_an_empty_one(reply: str, complete: bool) -> None:
    read = tasks().read(StageName.ENTITIES, Reply(reply, complete=complete), window_of("a"))
    assert isinstance(read, Unanswered)
    assert read.code == ("unreadable_reply" if complete else "reply_cut_off")


@pytest.mark.parametrize("extra", ['"note": 1', '"entities": null', '"text": "x"'])
def test_unknown_fields_and_wrong_types_are_refused(extra: str) -> None:
    reply = '{"entities": [{"text": "a", "type": "PER", ' + extra + "}]}"
    if extra == '"text": "x"':  # JSON lets a key stand twice; the last one counts
        assert entities_of(reply, "a x")[0].start == 2
    else:
        assert isinstance(tasks().read(StageName.ENTITIES, Reply(reply), window_of("a")), Unanswered)


@pytest.mark.parametrize("frame", ["{}", "```json\n{}\n```", "<think>{{</think>\n{}", " {} and so on"])
def test_code_blocks_thoughts_and_what_follows_do_not_count(frame: str) -> None:
    assert len(entities_of(frame.replace("{}", rows(("a", "PER"))), "a")) == 1


@given(st.text(max_size=200))
def test_no_reply_makes_reading_raise_or_invent(reply: str) -> None:
    text = "Al lives in Rome."
    for task in StageName:
        read = tasks().read(task, Reply(reply), window_of(text))
        assert isinstance(read, Unanswered | dict)
    for beginning in ('{"entities": [{"text": ', '{"labels": [', '{"summary": "'):
        for task in StageName:
            tasks().read(task, Reply(beginning + reply, complete=False), window_of(text))


@given(st.lists(st.tuples(st.sampled_from(["Al", "Rome", "Nobody", "in"]), st.sampled_from(["PER", "LOC", "X"]))))
def test_entities_are_in_order_apart_and_of_known_types(pairs: list[tuple[str, str]]) -> None:
    found = entities_of(rows(*pairs), "Al lives in Rome, Al says. Rome!")
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert {entity.type for entity in found} <= {"PER", "LOC"}


def test_scores_are_the_probabilities_of_the_strings_that_count() -> None:
    """One token a character; those of the first entity's strings have probability 1/2, all others 1."""
    text = rows(("Al", "PER"), ("Rome", "LOC"))
    low = {*range(text.index("Al"), text.index("Al") + 2), *range(text.index("PER"), text.index("PER") + 3)}
    logprobs = tuple(math.log(0.5) if number in low else 0.0 for number in range(len(text)))
    reply = Reply(text, tuple(range(1, len(text) + 1)), logprobs)
    read = tasks(StageName.ENTITIES).read(StageName.ENTITIES, reply, window_of("Al in Rome"))
    assert read == {StageName.ENTITIES: EntitiesResult((FoundEntity("PER", 0, 2, 0.5), FoundEntity("LOC", 6, 10, 1.0)))}
    assert entities_of(text, "Al in Rome")[0].score == ASSUMED_SCORE


@pytest.mark.parametrize(("given_labels", "best"), [(["sport"], 0), (["ART "], 1), (["cooking"], None), ([], None)])
def test_labels_outside_the_set_are_dropped(given_labels: list[str], best: int | None) -> None:
    model = tasks(StageName.CLASSIFICATION)
    read = model.read(StageName.CLASSIFICATION, Reply(json.dumps({"labels": given_labels})), window_of("one two"))
    assert not isinstance(read, Unanswered)
    result = read[StageName.CLASSIFICATION]
    assert isinstance(result, ClassificationResult)
    assert result.weight == 2
    if best is None:
        assert len(set(result.scores)) == 1
    else:
        odds = [math.exp(score) for score in result.scores]
        assert odds[best] / sum(odds) == pytest.approx(ASSUMED_SCORE, abs=1e-3)


@given(st.integers(1, 6), st.data())
def test_the_softmax_of_a_choice_is_its_probability(count: int, data: st.DataObject) -> None:
    labels = [f"label {number}" for number in range(count)]
    probability = data.draw(st.floats(0, 1))
    scores = spread(labels, [(labels[0], probability)])
    assert len(scores) == count
    total = sum(math.exp(score) for score in scores)
    if count > 1:
        assert math.exp(scores[0]) / total == pytest.approx(max(probability, 1 / count), abs=2e-3)
        assert max(scores) == scores[0]


@pytest.mark.parametrize(
    ("reply", "complete", "expected"),
    [
        ('{"summary": "One. Two. Three."}', True, WrittenSummary("One. Two.", finished=True)),
        ('{"summary": "One\\n\\u0007two."}', True, WrittenSummary("One two.", finished=True)),
        ('{"summary": "One. Two \\"is', False, WrittenSummary('One. Two "is', finished=False)),
        ('{"summary": "One \\u00e', False, WrittenSummary("One", finished=False)),
        ('{"summary": ""}', True, WrittenSummary("", finished=True)),
    ],
)
def test_a_summary_is_one_line_within_its_limit(reply: str, complete: bool, expected: WrittenSummary) -> None:
    read = tasks(StageName.SUMMARY).read(StageName.SUMMARY, Reply(reply, complete=complete), window_of("x"))
    assert read == {StageName.SUMMARY: expected}


@given(st.text(max_size=300), st.integers(1, 3))
def test_a_summary_holds_no_control_character(text: str, most: int) -> None:
    line = shortened(text, most)
    assert line == line.strip()
    assert "\n" not in line
    assert line.isprintable()
