"""How a model writes, in numbers: the settings, and where they are silent the model's own files. Knows no torch."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workers.errors import ConfigurationError
from workers.settings.generation import GenerationSettings

UNBOUNDED = 1 << 20  # tokens; T5 has no last position
MAX_NEW_TOKENS = 128  # where neither settings nor model say anything
ValueT = TypeVar("ValueT")
FAMILIES = ("bart", "t5", "mt5", "pegasus")  # what the tests hold to equal answers in any batch


class _Lenient(BaseModel):
    """Of files that others made: what is not read here is nobody's business here."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class OwnGeneration(_Lenient):
    """What a model's files say about writing, under transformers' names."""

    max_length: int | None = Field(None, ge=2)  # with the start token
    max_new_tokens: int | None = Field(None, ge=1)
    min_length: int | None = None  # with the start token
    min_new_tokens: int | None = None
    num_beams: int | None = Field(None, ge=1)
    length_penalty: float | None = None
    no_repeat_ngram_size: int | None = None
    early_stopping: bool | Literal["never"] | None = None
    prefix: str | None = None


class OwnConfig(_Lenient):
    """What of a model's config.json is read here; transformers reads the rest."""

    model_type: str
    max_position_embeddings: int | None = Field(None, ge=16)  # BART, Pegasus: there is no position beyond
    n_positions: int | None = Field(None, ge=16)  # T5: what it was trained on
    task_specific_params: dict[str, OwnGeneration] | None = None

    @property
    def positions(self) -> int:
        """The longest input, in tokens."""
        return self.max_position_embeddings or self.n_positions or 512

    @property
    def summarizing(self) -> OwnGeneration:
        return (self.task_specific_params or {}).get("summarization", OwnGeneration())


@dataclass(frozen=True, slots=True)
class Writing:
    """Every choice made: part of what a summary depends on."""

    max_new_tokens: int
    min_new_tokens: int
    max_share: float | None  # of the padded length
    num_beams: int
    length_penalty: float
    no_repeat_ngram: int
    early_stopping: bool | Literal["never"]
    prefix: str
    rows: int

    def limits(self, area: int) -> tuple[int, int]:
        """The fewest and the most tokens of a summary of a window of this padded length."""
        most = self.max_new_tokens
        if self.max_share is not None:
            most = max(1, min(most, math.floor(self.max_share * area)))
        return min(self.min_new_tokens, most), most

    def numbers(self) -> dict[str, float]:
        """For the receipt."""
        return {name: float(value) for name, value in asdict(self).items() if isinstance(value, int | float)}

    def digest(self) -> str:
        """16 hexadecimal digits."""
        return hashlib.sha256(orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def read_own_config(data: bytes, what: str) -> OwnConfig:
    """Raises ConfigurationError if this is not the configuration of a model that is supported."""
    try:
        config = OwnConfig.model_validate_json(data)
    except ValidationError as error:
        raise ConfigurationError(f"{what} is not the configuration of a model: replace it") from error
    if config.model_type not in FAMILIES:
        raise ConfigurationError(
            f"{what} is of type {config.model_type[:40]!r}, which cannot write summaries here: use one of "
            f"{', '.join(FAMILIES)}"
        )
    return config


def choose_writing(wanted: GenerationSettings, own: Mapping[str, object], config: OwnConfig, what: str) -> Writing:
    """`own` is the model's generation configuration. What its summarization task says goes before that.

    Raises ConfigurationError if the lengths cannot be written.
    """
    try:
        general = OwnGeneration.model_validate(own)
    except ValidationError as error:
        raise ConfigurationError(f"{what} has a generation configuration that is not one: replace it") from error
    model = general.model_copy(update=config.summarizing.model_dump(exclude_none=True))
    longest = (config.max_position_embeddings or UNBOUNDED) - 1  # the start token takes a place
    own_most = model.max_new_tokens or min((model.max_length or MAX_NEW_TOKENS + 1) - 1, longest)
    own_least = model.min_new_tokens or max(0, (model.min_length or 0) - 1)
    most = _first(wanted.max_new_tokens, own_most)
    least = _first(wanted.min_new_tokens, min(own_least, most))
    if most > longest:
        raise ConfigurationError(f"max_new_tokens={most} exceeds the {longest} that {what} can write: lower it")
    if least > most:
        raise ConfigurationError(
            f"min_new_tokens={least} exceeds the {most} tokens that {what} writes: lower it or set max_new_tokens"
        )
    return Writing(
        max_new_tokens=most,
        min_new_tokens=least,
        max_share=wanted.max_share,
        num_beams=_first(wanted.num_beams, model.num_beams or 1),
        length_penalty=float(_first(wanted.length_penalty, _first(model.length_penalty, 1.0))),
        no_repeat_ngram=_first(wanted.no_repeat_ngram, model.no_repeat_ngram_size or 0),
        early_stopping=_first(model.early_stopping, False),
        prefix=_first(wanted.prefix, model.prefix or ""),
        rows=wanted.rows,
    )


def _first(wanted: ValueT | None, otherwise: ValueT) -> ValueT:
    return otherwise if wanted is None else wanted
