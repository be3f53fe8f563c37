"""What a person or a system says about an enrichment: this is right, this is wrong, it should have been that."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field

from schemas.base import FrozenRecord, StageName
from schemas.calibration import Temperature
from schemas.enriched import Origin

MAX_NAME_CHARACTERS = 200


class Verdict(StrEnum):
    """Whether the model was right."""

    RIGHT = "right"
    WRONG = "wrong"


class Correction(FrozenRecord):
    """A verdict on one item of an enriched record. The last one about an item counts: the key names the item.

    Holds no text of the document, so that the topic may be kept for long.
    """

    schema_version: Literal["1"] = "1"
    origin: Origin = Field(description="The input record whose enrichment is judged")
    document_id: str = Field(min_length=1, max_length=512)
    stage: StageName
    item: str = Field(
        min_length=1,
        max_length=MAX_NAME_CHARACTERS,
        description="Entity: its `id`. Label: its name. Relation: `head>type>tail`. Summary: `summary`",
    )
    verdict: Verdict
    given: str = Field(min_length=1, max_length=MAX_NAME_CHARACTERS, description="Type or label that the record says")
    expected: str | None = Field(
        default=None, min_length=1, max_length=MAX_NAME_CHARACTERS, description="What it should have been, if known"
    )
    score: float | None = Field(default=None, ge=0, le=1, description="The item's score, as published")
    temperature: Temperature = Field(default=1.0, description="Of the calibration in the stage's receipt; 1 if none")
    model: str = Field(min_length=1, max_length=MAX_NAME_CHARACTERS)
    revision: str = Field(min_length=1, max_length=128, description="As in the record's receipt")
    by: str | None = Field(default=None, max_length=MAX_NAME_CHARACTERS, description="Who says so")
    at: AwareDatetime

    @property
    def subject(self) -> str:
        """The item, as the record's Kafka key: a compacted topic keeps the last verdict."""
        origin = self.origin
        return f"{origin.topic}/{origin.partition}/{origin.offset}/{self.stage.value}/{self.item}"
