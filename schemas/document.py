"""What producers send: one document. Known fields are checked strictly; unknown ones are let through and counted."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue

from schemas.base import FrozenRecord

MAX_ID_CHARACTERS = 512
MAX_TITLE_CHARACTERS = 2_000
MAX_SOURCE_CHARACTERS = 512
MAX_METADATA_KEYS = 64

LanguageCode = Annotated[
    str, Field(pattern=r"^[a-z]{2,3}$|^und$", description="ISO 639 code in lower case; `und` if not determined")
]


class Document(FrozenRecord):
    """One text to enrich. The limits on bytes and characters of the whole record are settings of the worker."""

    # Producers add fields long before anybody here hears of it: they are let through and counted in a warning.
    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    id: str = Field(min_length=1, max_length=MAX_ID_CHARACTERS, description="The producer's identifier of the document")
    text: str = Field(description="The text; every span of the enrichment is a slice of it")
    title: str | None = Field(default=None, max_length=MAX_TITLE_CHARACTERS, description="Passed through, not analysed")
    language: LanguageCode | None = Field(default=None, description="If given it is believed; if not it is detected")
    timestamp: AwareDatetime | None = Field(default=None, description="When the document was made, with its time zone")
    source: str | None = Field(default=None, max_length=MAX_SOURCE_CHARACTERS, description="Where the document is from")
    metadata: dict[str, JsonValue] = Field(
        default_factory=dict, max_length=MAX_METADATA_KEYS, description="Anything; passed through untouched"
    )

    @property
    def unknown_fields(self) -> int:
        """How many top-level fields this version does not know."""
        return len(self.model_extra or {})


__all__ = ["Document", "LanguageCode"]
