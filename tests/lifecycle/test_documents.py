"""A labelled text becomes one string with mentions where the tokens are, and facts in the model's own names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas import Entity
from workers.lifecycle.data import Fact as LabelledFact
from workers.lifecycle.data import Labelled, Mention
from workers.lifecycle.documents import Document, Fact, documents_of
from workers.lifecycle.labels import PACKAGED
from workers.lifecycle.naming import name_types


def document(*facts: tuple[int, int, str], annotated: frozenset[str] | None = None) -> Document:
    """Ada (thing 5, said twice), Bob, Acme, 1990."""
    mentions = (
        Mention(0, 1, "PER", 5),
        Mention(2, 3, "PER", 1),
        Mention(4, 6, "company", 2),
        Mention(7, 8, "TIME", 3),
        Mention(9, 10, "PER", 5),
        Mention(10, 11, "gene", 6),
    )
    tokens = ("Ada", "and", "Bob", "made", "Acme", "Corp", "in", "1990", ".", "Ada", "BRCA")
    labelled = Labelled("x", tokens, mentions, tuple(LabelledFact(*fact) for fact in facts), annotated=annotated)
    names = [*(fact[2] for fact in facts), *(annotated or ())]
    naming = name_types([mention.type for mention in mentions], names, PACKAGED)
    return documents_of([labelled], naming, PACKAGED)[0]


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1), min_size=1, max_size=9)
)
def test_mentions_quote_their_tokens(tokens: list[str]) -> None:
    mentions = tuple(Mention(at, end, "PER", at) for at in range(len(tokens)) for end in (at + 1, len(tokens)))
    naming = name_types(["PER"], [], PACKAGED)
    one = documents_of([Labelled("x", tuple(tokens), mentions)], naming, PACKAGED)[0]
    for placed, mention in zip(one.mentions, mentions, strict=True):
        assert one.text[placed.start : placed.end] == " ".join(tokens[mention.start : mention.end])


def test_types_without_a_counterpart_are_left_out() -> None:
    assert {mention.type for mention in document().mentions} == {"PER", "ORG", "DATE"}


def test_facts_turn_around_where_the_names_say_so_and_one_way_is_enough_for_a_symmetric_one() -> None:
    facts = document((2, 0, "FOUNDED_BY"), (2, 0, "CEO"), (0, 1, "spouse"), (1, 0, "spouse"), (0, 1, "rival")).facts
    assert facts == {
        Fact("thing 2", "thing 5", "founded_by"),
        Fact("thing 5", "thing 2", "leader_of"),
        Fact("thing 1", "thing 5", "spouse"),
    }


def test_a_fact_between_types_that_its_relation_does_not_join_cannot_be_wanted() -> None:
    assert document((0, 3, "spouse"), (2, 5, "founded by"), (0, 4, "spouse")).facts == frozenset()


def test_only_relations_that_were_looked_for_are_scored() -> None:
    assert document((0, 1, "spouse"), annotated=frozenset({"DATE_FOUNDED", "other"})).scored == {"founded_on", "spouse"}
    assert document((0, 1, "spouse")).scored == {"spouse"}


def test_a_fact_is_near_if_one_window_holds_any_mention_of_both_ends() -> None:
    one = document((4, 1, "spouse"), (2, 0, "founded by"))  # Ada's second mention is told; the first stands near
    first = one.text.index("and")
    assert one.facts_within([(0, len(one.text))]) == one.facts
    assert one.facts_within([(0, first), (first, len(one.text))]) == {
        Fact("thing 1", "thing 5", "spouse"),
        Fact("thing 2", "thing 5", "founded_by"),
    }
    assert one.facts_within([(0, first), (first, one.text.index("1990"))]) == frozenset()


def test_an_entity_is_the_thing_whose_mention_it_is_exactly() -> None:
    one = document()

    def thing(start: int, end: int, kind: str) -> str:
        return one.thing(Entity(id="e1", type=kind, text=one.text[start:end], start=start, end=end, score=1.0))

    assert thing(0, 3, "PER") == "thing 5"
    assert thing(0, 3, "ORG") == "unknown ORG ada"
    assert thing(0, 2, "PER") == "unknown PER ad"
    assert one.given()[0].text == "Ada"
