"""Reads the data sets' files: labelled sentences and documents as frozen values. Maps no label, cuts no text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from workers.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Mention:
    """A typed span of tokens. Mentions of one thing share a cluster; without clusters each is its own."""

    start: int
    end: int
    type: str
    cluster: int


@dataclass(frozen=True, slots=True)
class Fact:
    """A relation between two mentions, by their numbers."""

    head: int
    tail: int
    type: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """A tokenized text with its labels, in the data set's own names."""

    id: str
    tokens: tuple[str, ...]
    mentions: tuple[Mention, ...]
    facts: tuple[Fact, ...] = ()
    sentence_starts: tuple[int, ...] = (0,)  # token numbers
    annotated: frozenset[str] | None = None  # relations that were looked for; None if all were

    def cluster_facts(self) -> Iterator[tuple[int, int, str]]:
        """Facts between things instead of mentions: head cluster, tail cluster, type."""
        for fact in self.facts:
            yield self.mentions[fact.head].cluster, self.mentions[fact.tail].cluster, fact.type


@dataclass(frozen=True, slots=True)
class Topic:
    text: str
    label: str


def read_lines(path: Path) -> Iterator[dict[str, object]]:
    """JSON lines. Split at line feeds only: texts hold U+2028 and U+0085, at which `splitlines` would break them."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read data set {path} ({error.strerror}): correct --data") from error
    for line in data.split(b"\n"):
        if line:
            yield orjson.loads(line)


def read_tagged(path: Path) -> list[Labelled]:
    """`{"tokens", "tags"}` with BIO tags; spans of our kind, in order."""
    return [_tagged(f"{path.stem}:{number}", row) for number, row in enumerate(read_lines(path))]


def _tagged(name: str, row: dict[str, object]) -> Labelled:
    tokens, tags = row["tokens"], row["tags"]
    assert isinstance(tokens, list)
    assert isinstance(tags, list)
    mentions: list[Mention] = []
    for position, tag in enumerate(tags):
        before = tags[position - 1] if position else "O"
        if tag == "O":
            continue
        if tag.startswith("I-") and before != "O" and before[2:] == tag[2:]:
            last = mentions[-1]
            mentions[-1] = Mention(last.start, position + 1, last.type, last.cluster)
        else:
            mentions.append(Mention(position, position + 1, tag[2:], len(mentions)))
    return Labelled(name, tuple(tokens), tuple(mentions))


def read_related(path: Path) -> list[Labelled]:
    """`{"id", "tokens", "entities", "relations", "sent_starts"?, "annotated"?}`."""
    return [_related(row) for row in read_lines(path)]


def _related(row: dict[str, object]) -> Labelled:
    tokens, entities, relations = row["tokens"], row["entities"], row["relations"]
    starts, annotated = row.get("sent_starts") or [0], row.get("annotated")
    assert isinstance(tokens, list)
    assert isinstance(entities, list)
    assert isinstance(relations, list)
    assert isinstance(starts, list)
    return Labelled(
        id=str(row["id"]),
        tokens=tuple(tokens),
        mentions=tuple(
            Mention(entity["start"], entity["end"], entity["type"], entity.get("cluster", number))
            for number, entity in enumerate(entities)
        ),
        facts=tuple(Fact(relation["head"], relation["tail"], relation["type"]) for relation in relations),
        sentence_starts=tuple(starts),
        annotated=frozenset(annotated) if isinstance(annotated, list) else None,
    )


def read_topics(path: Path) -> list[Topic]:
    return [Topic(str(row["text"]), str(row["label"])) for row in read_lines(path)]
