"""Reads labelled files of any origin: tells the form of a file from its records' keys, checks every record.

Labels stay in the data set's own names. A record that does not fit is a ConfigurationError with file, line and reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, NonNegativeInt, ValidationError

from workers.errors import ConfigurationError
from workers.lifecycle.data import Fact, Labelled, Mention, Topic
from workers.text.sentences import split_sentences


@dataclass(frozen=True, slots=True)
class ExtractionSet:
    """Texts with entities, and relations between them if `related`."""

    texts: tuple[Labelled, ...]
    related: bool

    @property
    def exhaustive(self) -> bool:
        """Whether every entity of a text is labelled; a set that names what it looked for labels only those."""
        return all(text.annotated is None for text in self.texts)


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Texts with one label each."""

    topics: tuple[Topic, ...]


@dataclass(frozen=True, slots=True)
class Referenced:
    """A text and what people wrote to sum it up: references, each as its sentences."""

    text: str
    sentences: tuple[str, ...]  # as the data set cuts the text, or as we do
    references: tuple[tuple[str, ...], ...]
    genre: str | None = None


@dataclass(frozen=True, slots=True)
class SummarySet:
    documents: tuple[Referenced, ...]


TestSet = ExtractionSet | LabelSet | SummarySet
RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that was read."""

    name: str  # without folder and without .jsonl
    sha256: str
    content: TestSet

    @property
    def items(self) -> int:
        return len(rows_of(self.content))


def rows_of(content: TestSet) -> Sequence[object]:
    if isinstance(content, ExtractionSet):
        return content.texts
    return content.topics if isinstance(content, LabelSet) else content.documents


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class _Entity(_Row):
    start: NonNegativeInt
    end: NonNegativeInt
    type: str
    cluster: int | None = None
    named: bool = True  # false for "the village": a type of its own, since models of names do not look for those

    @property
    def kind(self) -> str:
        return self.type if self.named else f"{self.type} without a name"


class _Relation(_Row):
    head: NonNegativeInt
    tail: NonNegativeInt
    type: str


class TaggedRow(_Row):
    """Tokens with BIO tags; BIOES is read as well."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]


class RelatedRow(_Row):
    """Tokens with entities, and relations between them."""

    tokens: tuple[str, ...]
    entities: tuple[_Entity, ...]
    relations: tuple[_Relation, ...] = ()
    annotated: tuple[str, ...] | None = None
    sent_starts: tuple[int, ...] | None = None


class TopicRow(_Row):
    text: str
    label: Annotated[str, BeforeValidator(str)]


class SummaryRow(_Row):
    """`summary`, `references` or both, which then repeat each other; a list within is a reference by sentence."""

    text: str
    summary: str | tuple[str, ...] | None = None
    references: tuple[str | tuple[str, ...], ...] = ()
    sents: tuple[tuple[NonNegativeInt, NonNegativeInt], ...] | None = None
    genre: str | None = None


def _tagged(line: bytes, name: str) -> Labelled:
    row = TaggedRow.model_validate_json(line)
    if len(row.tokens) != len(row.tags):
        raise ValueError(f"{len(row.tokens)} tokens, {len(row.tags)} tags")
    mentions: list[Mention] = []
    before = "O"
    for position, tag in enumerate(row.tags):
        if tag[:2] in ("I-", "E-") and before[:2] in ("B-", "I-") and before[2:] == tag[2:]:
            mentions[-1] = Mention(mentions[-1].start, position + 1, tag[2:], len(mentions) - 1)
        elif tag != "O":
            if tag[1:2] != "-":
                raise ValueError(f"tag {position} is neither O nor of the form B-TYPE")
            mentions.append(Mention(position, position + 1, tag[2:], len(mentions)))
        before = tag
    return Labelled(name, row.tokens, tuple(mentions))


def _related(line: bytes, name: str) -> Labelled:
    row = RelatedRow.model_validate_json(line)
    if any(not entity.start < entity.end <= len(row.tokens) for entity in row.entities):
        raise ValueError("an entity lies outside of the tokens")
    if any(max(relation.head, relation.tail) >= len(row.entities) for relation in row.relations):
        raise ValueError("a relation names an entity that is not there")
    return Labelled(
        id=name,
        tokens=row.tokens,
        mentions=tuple(
            Mention(e.start, e.end, e.kind, number if e.cluster is None else e.cluster)
            for number, e in enumerate(row.entities)
        ),
        facts=tuple(Fact(r.head, r.tail, r.type) for r in row.relations),
        sentence_starts=row.sent_starts or (0,),
        annotated=None if row.annotated is None else frozenset(row.annotated),
    )


def _topic(line: bytes, number: int) -> Topic:
    row = TopicRow.model_validate_json(line)
    return Topic(row.text, row.label)


def _referenced(line: bytes, number: int) -> Referenced:
    row = SummaryRow.model_validate_json(line)
    references = row.references or (() if row.summary is None else (row.summary,))
    if not references:
        raise ValueError("neither summary nor references")
    cut = row.sents if row.sents is not None else split_sentences(row.text)
    return Referenced(
        text=row.text,
        sentences=tuple(row.text[start:end] for start, end in cut),
        references=tuple(_by_sentence(reference) for reference in references),
        genre=row.genre,
    )


def _by_sentence(reference: str | tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(reference, tuple):
        return reference
    return tuple(reference[start:end] for start, end in split_sentences(reference))


FORMS = "{tokens, tags}, {tokens, entities, relations?}, {text, label}, {text, summary or references}"


def read_file(path: Path, limit: int | None = None) -> DataFile:
    """A file of one of `FORMS`, or its first `limit` records. Raises ConfigurationError for any other."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read data set {path} ({error.strerror}): correct the path") from error
    # Split at line feeds only: texts hold U+2028 and U+0085, at which `splitlines` would break them.
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), start=1) if line.strip()]
    if not lines:
        raise ConfigurationError(f"{path} holds no record")
    name = path.name.removesuffix(".jsonl")
    content = _read_lines(path, name, lines[:limit])
    return DataFile(name, hashlib.sha256(data).hexdigest(), content)


def _read_lines(path: Path, name: str, lines: Sequence[tuple[int, bytes]]) -> TestSet:
    keys = _keys(path, *lines[0])
    if {"tokens", "tags"} <= keys:
        return ExtractionSet(tuple(_parsed(path, lines, lambda line, n: _tagged(line, f"{name}:{n}"))), related=False)
    if {"tokens", "entities"} <= keys:
        texts = tuple(_parsed(path, lines, lambda line, n: _related(line, f"{name}:{n}")))
        return ExtractionSet(texts, related=any(text.facts for text in texts))
    if {"text", "label"} <= keys:
        return LabelSet(tuple(_parsed(path, lines, _topic)))
    if "text" in keys and keys & {"summary", "references"}:
        return SummarySet(tuple(_parsed(path, lines, _referenced)))
    raise ConfigurationError(f"{path}: records with {', '.join(sorted(keys)) or 'no keys'}; known forms are {FORMS}")


def _parsed(path: Path, lines: Sequence[tuple[int, bytes]], parse: Callable[[bytes, int], RowT]) -> Iterator[RowT]:
    for number, line in lines:
        try:
            yield parse(line, number)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigurationError(f"{path}:{number}: {where or 'record'}: {first['msg']}") from error
        except ValueError as error:
            raise ConfigurationError(f"{path}:{number}: {error}") from error


def _keys(path: Path, number: int, line: bytes) -> set[str]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{path}:{number}: not JSON") from error
    return set(row) if isinstance(row, dict) else set()
