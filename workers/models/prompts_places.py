"""From the rows of a reply to places in the text: nothing that the text or the settings do not hold gets through.

A quoted string that is not in the text, an unknown type, a relation of no entity: dropped and counted,
never guessed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock

from workers.models.prompts import unescape
from workers.models.prompts_replies import EntityRow, RelationRow, Span
from workers.stages.results import FoundEntity, FoundRelation


@dataclass(slots=True)
class Tally:
    """How often something in a reply was dropped, by reason. Safe for threads."""

    _counts: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def add(self, reason: str) -> None:
        with self._lock:
            self._counts[reason] += 1

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)


class Quotes:
    """Where the strings that a reply quotes stand in the text: the n-th quote of a string is its n-th occurrence."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._left: dict[str, Iterator[Span]] = {}

    def locate(self, quote: str) -> Span | None:
        """None if the string is not in the text, or not that often."""
        if quote not in self._left:
            self._left[quote] = iter(occurrences(self._text, quote) or occurrences(self._text, unescape(quote)))
        return next(self._left[quote], None)


def occurrences(text: str, quote: str) -> list[Span]:
    """Every place of the quote, white space as it comes. If some are whole words, parts of words do not count."""
    words = quote.split()
    if not words:
        return []
    pattern = re.compile(r"\s+".join(map(re.escape, words)))
    spans = [match.span() for match in pattern.finditer(text)]
    whole = [(start, end) for start, end in spans if _is_edge(text, start) and _is_edge(text, end)]
    return whole or spans


def _is_edge(text: str, at: int) -> bool:
    return at in (0, len(text)) or not (text[at - 1].isalnum() and text[at].isalnum())


def known_name(name: str, known: Sequence[str]) -> str | None:
    """The name as the settings write it; capitals and space around it do not count."""
    if name in known:
        return name
    folded = name.strip().casefold()
    return next((candidate for candidate in known if candidate.casefold() == folded), None)


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity of the text, and what the reply calls it."""

    quote: str
    entity: FoundEntity


def locate_entities(
    rows: Sequence[EntityRow], text: str, types: Sequence[str], score: Callable[[int], float], tally: Tally
) -> list[Mention]:
    """The rows that stand in the text, by start, none overlapping: the better score stays, then the longer."""
    quotes, found = Quotes(text), []
    for number, row in enumerate(rows):
        span = quotes.locate(row.text)
        kind = known_name(row.type, types)
        if span is None:
            tally.add("not_in_text")
        elif kind is None:
            tally.add("unknown_entity_type")
        else:
            found.append(Mention(row.text, FoundEntity(kind, *span, score(number))))
    kept: list[Mention] = []
    for mention in sorted(found, key=_merit):
        if any(mention.entity.start < other.entity.end and other.entity.start < mention.entity.end for other in kept):
            tally.add("overlapping")
        else:
            kept.append(mention)
    return sorted(kept, key=lambda mention: mention.entity.start)


def _merit(mention: Mention) -> tuple[float, int, int]:
    entity = mention.entity
    return -entity.score, entity.start - entity.end, entity.start


def link_relations(
    rows: Sequence[RelationRow],
    mentions: Sequence[Mention],
    types: Sequence[str],
    score: Callable[[int], float],
    tally: Tally,
) -> tuple[FoundRelation, ...]:
    """The rows between two entities, each pair and type once with its best score, in order of the pair."""
    best: dict[tuple[int, int, str], float] = {}
    pairs: dict[tuple[str, str], tuple[int, int] | None] = {}  # a reply may name the same two a hundred times
    for number, row in enumerate(rows):
        names = row.head, row.tail
        if names not in pairs:
            pairs[names] = _nearest_pair(mentions, *names)
        pair, kind = pairs[names], known_name(row.relation, types)
        if pair is None:
            tally.add("relation_without_entity")
        elif kind is None:
            tally.add("unknown_relation_type")
        else:
            key = (*pair, kind)
            best[key] = max(best.get(key, 0.0), score(number))
    return tuple(FoundRelation(kind, head, tail, best[head, tail, kind]) for head, tail, kind in sorted(best))


def _nearest_pair(mentions: Sequence[Mention], head: str, tail: str) -> tuple[int, int] | None:
    """Of a name that stands in the text several times, the mentions nearest to each other are meant."""
    heads = [number for number, mention in enumerate(mentions) if mention.quote == head]
    tails = [number for number, mention in enumerate(mentions) if mention.quote == tail]
    pairs = [(h, t) for h in heads for t in tails if h != t]
    return min(pairs, key=lambda pair: (abs(pair[0] - pair[1]), pair), default=None)


def spread(labels: Sequence[str], chosen: Sequence[tuple[str, float]]) -> tuple[float, ...]:
    """Logits whose softmax gives each chosen label its share of its probability, and the others what is left, equally.

    Nothing chosen: all equal, so that with three labels or more the stage abstains.
    """
    if not chosen or len(labels) < 2:
        return (0.0,) * len(labels)
    given = {label: max(probability, 1 / len(labels)) / len(chosen) for label, probability in chosen}
    others = len(labels) - len(given)
    left = max(1.0 - sum(given.values()), 1e-4) / max(others, 1)
    return tuple(round(math.log(given.get(label, left)), 4) for label in labels)
