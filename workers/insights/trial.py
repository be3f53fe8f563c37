"""The page's box for trying out a text: passed on to `enrich serve`, and its answer as the page shows it.

The page itself talks to nobody but this process, so its content security policy stays as strict as it is.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas import EnrichedDocument
from workers.insights.view import enriched_view

ANSWER_S = 120.0  # a pass for each part of the text, on a machine that has other things to do
MAX_ANSWER_BYTES = 8_388_608


class Part(BaseModel):
    """As `workers.trial.occlusion` has it."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    weight: float = Field(allow_inf_nan=False)


class Explanation(BaseModel):
    label: str
    score: float
    words_in_part: int
    parts: tuple[Part, ...]


class Tried(BaseModel):
    """What `enrich serve` answers."""

    model_config = ConfigDict(extra="forbid")

    document: EnrichedDocument
    explanation: Explanation | None


class Refusal(BaseModel):
    code: str = Field(max_length=200)
    detail: str = Field(max_length=2_000)


async def try_text(url: str, body: bytes) -> dict[str, Any]:
    """The record's view, with `explanation` in pieces of the text. Raises HTTPException, a sentence for the page."""
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=ANSWER_S), trust_env=False) as session,
            session.post(
                f"{url.rstrip('/')}/enrich",
                data=body,
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
            ) as answer,
        ):
            content = await answer.content.read(MAX_ANSWER_BYTES + 1)
            while len(content) <= MAX_ANSWER_BYTES and (more := await answer.content.read(MAX_ANSWER_BYTES)):
                content += more
            status = answer.status
    except (ClientError, TimeoutError, asyncio.IncompleteReadError):
        raise web.HTTPBadGateway(text="`enrich serve` does not answer: see insights.serve_url") from None
    try:
        if status != 200:
            refusal = Refusal.model_validate_json(content)
            raise web.HTTPUnprocessableEntity(text=f"{refusal.code}: {refusal.detail}")
        tried = Tried.model_validate_json(content)
    except ValidationError:
        raise web.HTTPBadGateway(text="what insights.serve_url names does not answer as `enrich serve` does") from None
    view = enriched_view(tried.document)
    view["explanation"] = explained(tried.document.text or "", tried.explanation)
    return view


def explained(text: str, explanation: Explanation | None) -> dict[str, Any] | None:
    """The text in pieces, each with its weight, None between the parts. Parts that do not fit the text are left out."""
    if explanation is None:
        return None
    parts = {(part.start, part.end): part.weight for part in explanation.parts if part.end <= len(text)}
    edges = sorted({0, len(text)} | {edge for span in parts for edge in span})
    pieces = [{"text": text[span[0] : span[1]], "weight": parts.get(span)} for span in pairwise(edges)]
    return {**explanation.model_dump(exclude={"parts"}), "pieces": pieces}


def body_of(raw: bytes, *, most_characters: int) -> bytes:
    """What is passed on: made anew, whatever came. Raises HTTPException."""
    try:
        text = orjson.loads(raw)["text"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        text = None
    if not isinstance(text, str) or not text.strip():
        raise web.HTTPBadRequest(text="there is no text")
    if len(text) > most_characters:
        raise web.HTTPRequestEntityTooLarge(
            max_size=most_characters, actual_size=len(text), text=f"at most {most_characters} characters"
        )
    return orjson.dumps({"text": text})
