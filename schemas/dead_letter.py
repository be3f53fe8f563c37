"""What became of a record that could not be enriched: why, where it came from, and its bytes."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from schemas.base import FrozenRecord
from schemas.enriched import Origin

# Headers of an input record that `enrich dead-letters replay` sent back.
REPLAY_HEADER = "enrich-replay"  # position of the dead letter, `topic/partition/offset`
ATTEMPT_HEADER = "enrich-attempt"  # which try this is, as decimal digits
MAX_ATTEMPT = 999_999  # anybody may write the header: more is not believed


class FailedStep(StrEnum):
    """The step of the pipeline that refused the record; `worker` if the whole process ended with it."""

    VALIDATE = "validate"
    SEGMENT = "segment"
    MODEL = "model"
    ASSEMBLE = "assemble"
    PUBLISH = "publish"
    WORKER = "worker"


class Payload(FrozenRecord):
    """The bytes of the input record. Left out (`data` null) above the worker's limit: then only `origin` finds them."""

    encoding: Literal["utf-8", "base64"] = Field(description="utf-8 if the bytes are valid UTF-8")
    data: str | None
    size_bytes: int = Field(ge=0)
    sha256: str


class HeaderValue(FrozenRecord):
    """A Kafka header of the input record; its bytes in base64."""

    name: str
    value: str | None


class DeadLetter(FrozenRecord):
    """One record that was not enriched. `detail` never contains text of the document."""

    schema_version: Literal["1"] = "1"
    id: str | None = Field(description="The document's id if it could be read")
    stage: FailedStep
    code: str = Field(description="What is wrong, for machines, e.g. `invalid_json`, `text_too_long`")
    detail: str = Field(description="What is wrong, for people, with the limit that was passed")
    attempts: int = Field(ge=1, description="How often it was tried, those before a replay included")
    smallest_failing: int | None = Field(
        None, ge=1, description="Windows in the smallest batch that failed with it, 1: alone; null where none was run"
    )
    origin: Origin
    timestamp_ms: int | None = Field(description="Kafka timestamp of the input record, ms since 1970 UTC")
    key: str | None = Field(description="Key of the input record in base64")
    headers: tuple[HeaderValue, ...]
    payload: Payload
