"""Documents whose answer is known: a header names it, so that whoever reads the enrichment can compare."""

from __future__ import annotations

from typing import Self

from pydantic import Field, ValidationError

from schemas.base import FrozenRecord

SENTINEL_HEADER = "sentinel"  # passed on by the worker like any header of a producer


class ExpectedEntity(FrozenRecord):
    """A name and its type."""

    type: str = Field(min_length=1, max_length=200)
    text: str = Field(min_length=1, max_length=500)


class Expectation(FrozenRecord):
    """What the enrichment of a sentinel must contain. What is not named may be anything."""

    label: str | None = Field(default=None, min_length=1, max_length=200, description="The first label")
    entities: tuple[ExpectedEntity, ...] = Field(default=(), max_length=100)
    language: str | None = Field(default=None, max_length=3)

    @property
    def answers(self) -> int:
        """How many answers are known."""
        return len(self.entities) + (self.label is not None) + (self.language is not None)

    @classmethod
    def of_header(cls, value: bytes | None) -> Self | None:
        """None if it is not one: anybody may write the header."""
        try:
            return cls.model_validate_json(value or b"")
        except ValidationError:
            return None
