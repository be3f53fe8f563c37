"""What the page may ask to be changed: a correction of an item, a new reference of drift. Untrusted: all is checked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas import Correction, EnrichedDocument, StageName, Verdict
from workers.insights.judged import item_of
from workers.insights.state import Insights

MAX_BODY_BYTES = 16_384


class Judgement(BaseModel):
    """What the page sends: which item of which record, and what of it. The rest is taken from the record."""

    model_config = ConfigDict(extra="forbid")

    position: str = Field(max_length=400)
    stage: StageName
    item: str = Field(min_length=1, max_length=200)
    verdict: Verdict
    expected: str | None = Field(default=None, min_length=1, max_length=200)


class Pin(BaseModel):
    """Which window is to be the reference of drift."""

    model_config = ConfigDict(extra="forbid")

    window: Literal["minute", "hour", "day"]


def pin(body: bytes, state: Insights) -> None:
    """Raises HTTPBadRequest for a window that there is none of, HTTPConflict where it cannot be pinned now."""
    try:
        window = Pin.model_validate_json(body).window
    except ValidationError:
        raise web.HTTPBadRequest(text="window is one of minute, hour, day") from None
    try:
        state.pin(window)
    except ValueError as error:
        raise web.HTTPConflict(text=str(error)) from None


def correction_of(body: bytes, state: Insights) -> Correction:
    """Raises the HTTP error that tells what is wrong with it."""
    if len(body) > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(max_size=MAX_BODY_BYTES, actual_size=len(body))
    try:
        said = Judgement.model_validate_json(body)
    except ValidationError as error:
        raise web.HTTPBadRequest(text=f"{error.error_count()} fields are wrong") from None
    record = state.recent.at(said.position)
    if record is None or not isinstance(record.content, EnrichedDocument):
        raise web.HTTPNotFound(text="that record is no longer among the recent ones")
    item = item_of(record.content, said.stage, said.item)
    if item is None:
        raise web.HTTPNotFound(text="the record has no such item")
    return Correction(
        origin=record.content.origin,
        document_id=record.content.id,
        stage=said.stage,
        item=said.item,
        verdict=said.verdict,
        given=item.given,
        expected=said.expected,
        score=item.score,
        model=item.model,
        revision=item.revision,
        temperature=item.temperature,
        by="page",
        at=datetime.fromtimestamp(state.clock(), UTC),
    )


def require_own_page(request: web.Request) -> None:
    """JSON, from the same origin: no other site's page can send that."""
    origin = request.headers.get("Origin")
    if request.content_type != "application/json" or (origin and urlsplit(origin).netloc != request.host):
        raise web.HTTPForbidden(text="it must be JSON and come from this page")
