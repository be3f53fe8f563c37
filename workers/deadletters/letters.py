"""What a dead letter is on its topic: a position, a time, and the letter itself if the record is one.

Pure values; nothing here talks to a broker.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from pydantic import ValidationError

from schemas import DeadLetter
from workers.errors import ConfigurationError
from workers.transport.base import Headers, IncomingRecord, Partition


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a record stands; written `topic/partition/offset`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Raises ConfigurationError."""
        topic, *numbers = text.rsplit("/", 2)
        if not topic or len(numbers) != 2 or not all(n.isascii() and n.isdigit() and len(n) < 19 for n in numbers):
            raise ConfigurationError(f"{text!r} is not a position: give TOPIC/PARTITION/OFFSET")
        return cls(topic, int(numbers[0]), int(numbers[1]))


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of the dead-letter topic. `content` is None if it is not a dead letter that this version can read."""

    position: Position
    timestamp_ms: int | None  # when it was dead-lettered, ms since 1970 UTC
    content: DeadLetter | None

    @property
    def identity(self) -> str:
        """Tells it from every other letter, also from one at the same position of a topic that was made anew."""
        return f"{self.position}@{self.timestamp_ms}"


def letter_of(record: IncomingRecord) -> Letter:
    try:
        content = DeadLetter.model_validate_json(record.value or b"")
    except ValidationError:
        content = None
    position = Position(record.partition.topic, record.partition.number, record.offset)
    return Letter(position, record.timestamp_ms, content)


def origin_of(letter: DeadLetter) -> tuple[Partition, int]:
    return Partition(letter.origin.topic, letter.origin.partition), letter.origin.offset


def original_value(letter: DeadLetter) -> bytes | None:
    """The bytes that failed, None if they were left out. Raises ValueError if they are not what they are said to be."""
    payload = letter.payload
    if payload.data is None:
        return None
    return payload.data.encode() if payload.encoding == "utf-8" else base64.b64decode(payload.data, validate=True)


def original_key(letter: DeadLetter) -> bytes | None:
    return _decoded(letter.key)


def original_headers(letter: DeadLetter) -> Headers:
    return tuple((header.name, _decoded(header.value)) for header in letter.headers)


def _decoded(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value, validate=True)
