"""How models that write are asked, and how an endpoint that speaks OpenAI's protocol is spoken to."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr, field_validator, model_validator

from schemas.base import StageName
from workers.settings.base import FrozenSettings

DEFAULT_ENTITY_TYPES = {
    "PER": "The name of a person.",
    "ORG": "The name of a company, an institution, a team or another organization.",
    "LOC": "The name of a place: a country, a city, a river, a building.",
    "MISC": "Another name: a nationality, an event, a product, a work of art.",
    "DATE": "A date or a period.",
}
DEFAULT_RELATION_TYPES = {
    "works_for": "The head, a person, works for or is a member of the tail, an organization.",
    "located_in": "The head, an organization or a place, is in the tail, a place.",
    "lives_in": "The head, a person, lives in the tail, a place.",
    "born_in": "The head, a person, was born in the tail, a place.",
    "founded_by": "The head, an organization, was founded by the tail, a person.",
    "spouse": "The head and the tail, two persons, are or were married.",
}


class PromptOptions(FrozenSettings):
    """What a model that writes is asked."""

    templates: dict[StageName, Path] = Field(
        {}, description="own prompt templates by stage, TOML; the packaged ones where not given"
    )
    entity_types: dict[str, str] = Field(
        DEFAULT_ENTITY_TYPES, min_length=1, description="type of entity and a sentence that describes it"
    )
    relation_types: dict[str, str] = Field(
        DEFAULT_RELATION_TYPES, min_length=1, description="type of relation and which ends it joins"
    )
    max_reply_tokens: PositiveInt = Field(
        512, le=8_192, description="tokens of one reply; a longer one is cut off, and only a summary survives that"
    )


class EndpointOptions(FrozenSettings):
    """Where the endpoint is, and how patient we are with it."""

    base_url: str = Field(description="up to and without /chat/completions, e.g. http://vllm:8000/v1")
    model: str = Field(min_length=1, description="name of the model at the endpoint")
    api_key: SecretStr | None = Field(None, description="sent as bearer token")
    ca_file: Path | None = Field(None, description="certificates to trust; the system's if not given")
    connect_timeout_s: PositiveFloat = Field(5.0, description="seconds to reach the endpoint")
    read_timeout_s: PositiveFloat = Field(60.0, description="seconds without a byte until a request is given up")
    deadline_s: PositiveFloat = Field(180.0, description="seconds for one request with all its tries")
    max_attempts: PositiveInt = Field(4, le=20, description="tries of one request")
    backoff_s: PositiveFloat = Field(0.5, description="pause before the second try; doubles, with jitter")
    max_backoff_s: PositiveFloat = Field(20.0, description="longest pause that is not asked for by the endpoint")
    max_concurrency: PositiveInt = Field(16, le=1_024, description="requests at the same time")
    max_response_bytes: PositiveInt = Field(4_194_304, description="bytes of one response; a larger one is not read")
    response_format: Literal["none", "json_object", "json_schema"] = Field(
        "none", description="how the endpoint is told to hold the model to JSON; json_schema is best where it can"
    )
    logprobs: bool = Field(True, description="whether to ask for token probabilities: scores are read from them")
    seed: NonNegativeInt = Field(0, description="sent with temperature 0")
    max_window_tokens: PositiveInt = Field(
        2_000, ge=16, description="longest window; a token is estimated as four Latin letters or one other character"
    )

    @field_validator("base_url")
    @classmethod
    def is_plain_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("base_url must be http(s)://host[:port]/path, e.g. http://vllm:8000/v1: correct it")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("base_url must hold no user, password, query or fragment: put the key into api_key")
        return value.rstrip("/")

    @model_validator(mode="after")
    def deadline_holds_a_try(self) -> Self:
        if self.connect_timeout_s + self.read_timeout_s > self.deadline_s:
            raise ValueError(
                f"connect_timeout_s={self.connect_timeout_s} and read_timeout_s={self.read_timeout_s} exceed "
                f"deadline_s={self.deadline_s}: lower them or raise it"
            )
        return self
