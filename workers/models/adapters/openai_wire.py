"""What goes to and comes from `/chat/completions`: the request, and the checks that make a reply of a response.

Knows no network. Messages never quote a document or a response.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from schemas.base import StageName
from workers.errors import ModelError
from workers.models.prompts_replies import EntitiesReply, LabelsReply, RelationsReply, Reply, SummaryReply
from workers.settings import OpenAiModel

FORMS: dict[StageName, type[BaseModel]] = {
    StageName.ENTITIES: EntitiesReply,
    StageName.RELATIONS: RelationsReply,
    StageName.CLASSIFICATION: LabelsReply,
    StageName.SUMMARY: SummaryReply,
}


class BadResponse(ModelError):
    """A response that is not what the protocol says. The message is ours."""


class Withheld(ModelError):
    """The endpoint says that it will not answer this text."""


class _Loose(BaseModel):
    """Servers add fields of their own."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Message(_Loose):
    content: str | None = None
    refusal: str | None = None


class _Token(_Loose):
    token: str
    logprob: FiniteFloat  # some servers send NaN, which is no JSON and is read all the same
    bytes: list[int] | None = None


class _Logprobs(_Loose):
    content: list[_Token] | None = None


class _Choice(_Loose):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Completion(_Loose):
    choices: list[_Choice] = Field(max_length=1_000)


class _Problem(_Loose):
    code: str | int | None = None
    type: str | None = None


class _Refusal(_Loose):
    error: _Problem | str | None = None
    code: str | int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One request: which task it is for, and its two messages."""

    task: StageName
    system: str
    user: str

    def body(self, settings: OpenAiModel) -> bytes:
        """The JSON of the request; equal questions are equal bytes."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        form: dict[str, object] = {}
        if settings.response_format == "json_object":
            form = {"response_format": {"type": "json_object"}}
        elif settings.response_format == "json_schema":
            schema = {"name": self.task.value, "strict": True, "schema": FORMS[self.task].model_json_schema()}
            form = {"response_format": {"type": "json_schema", "json_schema": schema}}
        return orjson.dumps(
            {
                "model": settings.model,
                "messages": [*system, {"role": "user", "content": self.user}],
                "temperature": 0,
                "seed": settings.seed,
                "max_tokens": settings.max_reply_tokens,
                "n": 1,
                "stream": False,
                **({"logprobs": True} if settings.logprobs else {}),
                **form,
            }
        )


def read_completion(data: bytes) -> Reply:
    """The one reply of a response. Raises BadResponse, or Withheld if the endpoint will not answer this text."""
    try:
        completion = _Completion.model_validate_json(data)
    except ValidationError as error:
        raise BadResponse("the response is not a chat completion") from error
    if len(completion.choices) != 1:
        raise BadResponse(f"the response has {len(completion.choices)} choices instead of one")
    choice = completion.choices[0]
    if choice.finish_reason == "content_filter" or choice.message.refusal:
        raise Withheld("the endpoint withheld its reply to this text")
    if choice.message.content is None:
        raise BadResponse("the response has a message without content")
    tokens = (choice.logprobs.content if choice.logprobs else None) or []
    ends = _ends(choice.message.content, tokens)
    logprobs = tuple(min(0.0, token.logprob) for token in tokens) if ends else ()
    return Reply(choice.message.content, ends, logprobs, complete=choice.finish_reason != "length")


def _ends(content: str, tokens: list[_Token]) -> tuple[int, ...]:
    """The code point of the content behind each token; empty if the tokens are not those of the content."""
    pieces = [_bytes_of(token) for token in tokens]
    whole, wanted = b"".join(pieces), content.encode("utf-8", "replace")
    if not wanted or not whole.startswith(wanted):  # a token that ends the reply may stand behind it
        return ()
    starts = [number for number, byte in enumerate(wanted) if byte & 0xC0 != 0x80]  # of each code point
    firsts = {start: number for number, start in enumerate([*starts, len(wanted)])}
    ends, last = [], 0
    for end in accumulate(map(len, pieces)):
        last = firsts.get(min(end, len(wanted)), last)  # within a code point: it is not there yet
        ends.append(last)
    return tuple(ends)


def _bytes_of(token: _Token) -> bytes:
    """As the server gives them; a token that is a part of a character has no text of its own."""
    if token.bytes is not None and all(0 <= value < 256 for value in token.bytes):
        return bytes(token.bytes)
    return token.token.encode("utf-8", "replace")


Known = Literal["context_length_exceeded", "content_filter", "request_refused"]


def refusal_code(data: bytes) -> Known:
    """Why a request was refused, if the response says it in a way that is known; it is never quoted."""
    try:
        refusal = _Refusal.model_validate_json(data)
    except ValidationError:
        return "request_refused"
    problem = refusal.error if isinstance(refusal.error, _Problem) else _Problem()
    for code in (problem.code, problem.type, refusal.code):
        if code == "context_length_exceeded":
            return "context_length_exceeded"
        if code in ("content_filter", "content_policy_violation"):
            return "content_filter"
    return "request_refused"
