"""The base of every record that crosses the wire: frozen, and closed to unknown fields unless a class opens itself."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = "1"


class FrozenRecord(BaseModel):
    """An immutable record; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StageName(StrEnum):
    """The four enrichments, in the order in which they are listed in a record."""

    ENTITIES = "entities"
    RELATIONS = "relations"
    CLASSIFICATION = "classification"
    SUMMARY = "summary"


class OffsetUnit(StrEnum):
    """What `start` and `end` of every span count. Code points are Python's; UTF-16 is Java's and JavaScript's."""

    CODE_POINT = "code_point"
    UTF_16 = "utf_16"
    UTF_8 = "utf_8"
