"""A labelled text as the product would get it: one string, with entities and facts in the model's own names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas import Entity
from workers.lifecycle.data import Labelled
from workers.lifecycle.labelspace import LabelSpace
from workers.lifecycle.naming import Naming


@dataclass(frozen=True, slots=True)
class Fact:
    """A relation between two things of a document, each with one or more mentions."""

    head: str
    tail: str
    type: str

    @classmethod
    def of(cls, head: str, tail: str, kind: str, labels: LabelSpace) -> Fact:
        """One value for both ways to say a symmetric relation."""
        if kind in labels.symmetric and tail < head:
            head, tail = tail, head
        return cls(head, tail, kind)


@dataclass(frozen=True, slots=True)
class PlacedMention:
    """An entity of the data set, of a type that the model has."""

    start: int
    end: int
    type: str
    thing: str


@dataclass(frozen=True, slots=True)
class Document:
    """A text with what is wanted of it."""

    text: str
    mentions: tuple[PlacedMention, ...]
    facts: frozenset[Fact]
    scored: frozenset[str]  # the model's relations that were looked for in this text

    def given(self) -> tuple[Entity, ...]:
        """The mentions as the product's entities."""
        return tuple(
            Entity(
                id=f"e{number}",
                type=mention.type,
                text=self.text[mention.start : mention.end],
                start=mention.start,
                end=mention.end,
                score=1.0,
            )
            for number, mention in enumerate(self.mentions, start=1)
        )

    def thing(self, entity: Entity) -> str:
        """What an entity is a mention of; one that is nobody's mention is a thing of its own, told by its words."""
        place = (entity.start, entity.end, entity.type)
        for mention in self.mentions:
            if (mention.start, mention.end, mention.type) == place:
                return mention.thing
        return f"unknown {entity.type} {entity.text.casefold()}"

    def facts_within(self, windows: Sequence[tuple[int, int]]) -> frozenset[Fact]:
        """The facts of which some window holds a mention of either end."""
        seen = [{m.thing for m in self.mentions if start <= m.start and m.end <= end} for start, end in windows]
        return frozenset(fact for fact in self.facts if any({fact.head, fact.tail} <= things for things in seen))


def documents_of(texts: Sequence[Labelled], naming: Naming, labels: LabelSpace) -> list[Document]:
    """In order. A relation counts as looked for in every text if the set has it anywhere and no text says otherwise."""
    everywhere = frozenset(name for text in texts for name in _named(text, naming))
    return [_document(text, naming, labels, everywhere) for text in texts]


def _named(text: Labelled, naming: Naming) -> Iterator[str]:
    for theirs in (*(fact.type for fact in text.facts), *(text.annotated or ())):
        if (ours := naming.relation(theirs)) is not None:
            yield ours


def _document(text: Labelled, naming: Naming, labels: LabelSpace, everywhere: frozenset[str]) -> Document:
    starts, at = [], 0
    for token in text.tokens:
        starts.append(at)
        at += len(token) + 1
    mentions = tuple(
        PlacedMention(
            start=starts[mention.start],
            end=starts[mention.end - 1] + len(text.tokens[mention.end - 1]),
            type=naming.entities[mention.type],
            thing=f"thing {mention.cluster}",
        )
        for mention in text.mentions
        if mention.type in naming.entities and any(text.tokens[mention.start : mention.end])
    )
    scored = everywhere if text.annotated is None else frozenset(_named(text, naming))
    facts = frozenset(_facts(text, naming, labels, mentions))
    return Document(" ".join(text.tokens), mentions, facts, scored)


def _facts(text: Labelled, naming: Naming, labels: LabelSpace, mentions: Sequence[PlacedMention]) -> Iterator[Fact]:
    """Facts of the model's relations whose ends have a mention of a type that the relation joins."""
    types: dict[str, set[str]] = {}
    for mention in mentions:
        types.setdefault(mention.thing, set()).add(mention.type)
    for head, tail, theirs in text.cluster_facts():
        for table, (first, second) in ((naming.relations, (head, tail)), (naming.inverse, (tail, head))):
            if (name := table.get(theirs)) is None or first == second:
                continue
            relation, ends = labels.relation(name), (f"thing {first}", f"thing {second}")
            if types.get(ends[0], set()) & {*relation.heads} and types.get(ends[1], set()) & {*relation.tails}:
                yield Fact.of(*ends, name, labels)
