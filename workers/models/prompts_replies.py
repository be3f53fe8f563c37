"""Replies of a generative model: the tokens it wrote, and the strict JSON in them.

A reply that is not the JSON asked for is `Unreadable`, not an empty result: a record that says "no entities" when
nobody knows would lie. It is not asked for again either: the same prompt gives the same reply.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from workers.errors import ModelError

Span = tuple[int, int]
ASSUMED_SCORE = 0.75  # where the server gives no probabilities; stated in the receipt as `assumed_score`
SCORE_DIGITS = 2  # a mean over tokens says no more, and a batch of another size may differ in the sixth digit
MAX_ROWS = 512
STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
BEGUN_SUMMARY = re.compile(
    r"""\{\s*"summary"\s*:\s*"((?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+)(?:\\[^"]{0,5})?\Z"""
)
LEAD = re.compile(r"\s*(?:<think>.*?</think>\s*)?(?:```(?:json)?\s*)?", re.DOTALL | re.IGNORECASE)

Quote = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Name = Annotated[str, StringConstraints(max_length=200)]


class Unreadable(ModelError):
    """A reply that is not what was asked for. The message is ours and quotes nothing."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class EntityRow(_Row):
    text: Quote
    type: Name


class RelationRow(_Row):
    head: Quote
    relation: Name
    tail: Quote


class EntitiesReply(_Row):
    entities: list[EntityRow] = Field(max_length=MAX_ROWS)


class RelationsReply(_Row):
    entities: list[EntityRow] = Field(max_length=MAX_ROWS)
    relations: list[RelationRow] = Field(max_length=MAX_ROWS)


class LabelsReply(_Row):
    labels: list[Name] = Field(max_length=MAX_ROWS)


class SummaryReply(_Row):
    summary: str


ReplyT = TypeVar("ReplyT", EntitiesReply, RelationsReply, LabelsReply, SummaryReply)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote, and how sure it was of each token, if that is known."""

    text: str
    ends: tuple[int, ...] = ()  # [N] code point of `text` behind each token, rising
    logprobs: tuple[float, ...] = ()  # [N]; empty if they are not known
    complete: bool = True  # False: it was cut off at the limit

    def __post_init__(self) -> None:
        if len(self.ends) != len(self.logprobs):
            raise ValueError("ends and logprobs differ in length")

    def probability(self, spans: Sequence[Span]) -> float | None:
        """Geometric mean of the probabilities of the tokens that overlap one of these parts; None if not known."""
        starts = (0, *self.ends[:-1])
        found = [
            logprob
            for start, end, logprob in zip(starts, self.ends, self.logprobs, strict=False)
            if any(start < upper and lower < end for lower, upper in spans)
        ]
        return math.exp(sum(found) / len(found)) if found else None


@dataclass(frozen=True, slots=True)
class Read:
    """The first JSON object of a reply, and where its strings stand in the reply."""

    reply: Reply
    json_text: str
    places: dict[str, list[Span]]  # key -> the strings given for it, in order

    def score(self, *keys_and_rows: tuple[str, int]) -> float:
        """How sure the model was of the strings that these keys have in these rows, 0..1."""
        spans = [self.places[key][row] for key, row in keys_and_rows if row < len(self.places.get(key, ()))]
        known = self.reply.probability(spans)
        return round(min(1.0, ASSUMED_SCORE if known is None else known), SCORE_DIGITS)


def read_json(reply: Reply, kind: type[ReplyT]) -> tuple[ReplyT, Read]:
    """Raises Unreadable unless the reply starts with the JSON object asked for; what follows it does not count."""
    start = _lead(reply.text)
    try:
        if not reply.text.startswith("{", start):
            raise ValueError
        _, end = json.JSONDecoder().raw_decode(reply.text, start)
        parsed = kind.model_validate_json(reply.text[start:end])
    except ValidationError as error:
        raise Unreadable("the reply has another form than the one asked for") from error
    except (ValueError, RecursionError):
        detail = "is not the JSON object asked for" if reply.complete else "was cut off before its JSON was complete"
        raise Unreadable(f"the reply {detail}") from None
    return parsed, Read(reply, reply.text[start:end], _places(reply.text, start, end))


def _lead(text: str) -> int:
    """Where the reply begins in earnest: behind thoughts and the opening of a code block."""
    lead = LEAD.match(text)
    return lead.end() if lead else 0


def read_summary(reply: Reply) -> tuple[str, bool]:
    """The summary, and whether it is whole: one that was cut off is still what the model wrote so far."""
    try:
        parsed, _ = read_json(reply, SummaryReply)
    except Unreadable:
        begun = None if reply.complete else BEGUN_SUMMARY.match(reply.text, _lead(reply.text))
        if begun is None:
            raise
        return str(json.loads(f'"{begun.group(1)}"', strict=False)), False
    return parsed.summary, True


def _places(text: str, start: int, end: int) -> dict[str, list[Span]]:
    """The string values by key. The text is known to be JSON, so every quote opens or closes a string."""
    places: dict[str, list[Span]] = {}
    key = ""
    for match in STRING.finditer(text, start, end):
        if text[match.end() : end].lstrip()[:1] == ":":
            key = match.group()[1:-1]
        else:
            places.setdefault(key, []).append((match.start() + 1, match.end() - 1))
    return places
