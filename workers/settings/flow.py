"""How documents flow: what is taken in one piece, how it is cut and batched, what is remembered, what comes out."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr, model_validator

from schemas.base import OffsetUnit
from workers.settings.base import FrozenSettings


class EpochSettings(FrozenSettings):
    """How much is taken in one piece, and how much may be under way."""

    max_records: PositiveInt = Field(128, description="documents per transaction; more is faster, and more is redone")
    max_bytes: PositiveInt = Field(4_194_304, description="bytes of documents per transaction")
    max_in_flight: PositiveInt = Field(
        3, le=16, description="epochs under way: one prepared, one on the device, one published"
    )
    processes: PositiveInt | None = Field(
        None,
        description="that enrich side by side, each with models of its own and `max_in_flight` epochs; none: 1, and up "
        "to 8 on a GPU, where one process's Python is slower than the device",
    )
    max_in_flight_bytes: PositiveInt = Field(16_777_216, description="bytes of documents under way; bounds the memory")
    max_in_flight_tokens: PositiveInt = Field(
        1_048_576, description="tokens that models were asked about and have not answered; bounds the memory"
    )
    max_deaths: int = Field(
        3,
        ge=3,
        le=100,
        description="worker processes that may end with a document under way until it is dead-lettered; from the third "
        "on it is alone; raise where pods are killed for other reasons",
    )
    poll_ms: PositiveInt = Field(50, description="ms one poll may wait")
    drain_s: PositiveFloat = Field(20.0, description="seconds to finish after SIGTERM; below the pod's grace period")


class LimitSettings(FrozenSettings):
    """What a document may be. Anything above is a dead letter, told before it is parsed where possible."""

    max_record_bytes: PositiveInt = Field(1_048_576, description="bytes of a record's value")
    max_text_characters: PositiveInt = Field(1_000_000, description="code points of a document's text")
    max_json_depth: PositiveInt = Field(32, description="nesting of a record's JSON")
    max_json_values: PositiveInt = Field(50_000, description="keys and values of a record's JSON, nested ones too")
    max_dead_letter_bytes: NonNegativeInt = Field(
        262_144, description="bytes of a bad record kept in its dead letter; above it only the origin is kept"
    )
    plain_text: bool = Field(False, description="whether a record without content-type header is text, not JSON")


class WindowSettings(FrozenSettings):
    """How long texts are cut."""

    max_tokens: PositiveInt = Field(
        254,
        ge=16,
        le=8_192,
        description="tokens of a window; longer sees more, costs more; a model has a limit of its own",
    )
    overlap_tokens: NonNegativeInt = Field(
        32, description="tokens of whole sentences a window repeats of the one before"
    )

    @model_validator(mode="after")
    def overlap_fits(self) -> Self:
        if self.overlap_tokens * 2 > self.max_tokens:
            raise ValueError(
                f"window.overlap_tokens={self.overlap_tokens} is more than half of window.max_tokens="
                f"{self.max_tokens}: lower the first or raise the second"
            )
        return self


class BatchSettings(FrozenSettings):
    """What goes through the device together."""

    max_items: PositiveInt | None = Field(
        None, description="windows in a batch; none: 64, and 4,096 on a GPU where `calibrate` finds how many are enough"
    )
    max_padded_tokens: PositiveInt | None = Field(
        None, description="tokens in a batch, with padding; none: 8,192, and 262,144 on a GPU as above"
    )
    calibrate: bool = Field(
        True, description="whether less is put into a batch where that is as fast; measured once per machine and model"
    )
    latency_objective_ms: NonNegativeFloat = Field(
        1_000.0,
        description="ms from a record's Kafka timestamp within which it should be answered: until then full batches go "
        "first, from then on whoever is due first; 0: always first come, first served",
    )
    stuck_after_s: float = Field(
        600.0,
        ge=1.0,
        le=86_400.0,
        description="seconds one call of a model may take, then the worker ends with exit code 4; above the slowest "
        "batch: models that write take minutes without a GPU; remote endpoints have time-outs of their own",
    )


class CacheSettings(FrozenSettings):
    """Results computed before. Any of these may be wrong without changing a result."""

    kind: Literal["none", "memory", "redis"] = Field("none", description="where results are kept")
    redis_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), description="redis://, rediss:// or unix://")
    timeout_ms: PositiveInt = Field(100, description="ms to wait for Redis before going on without it")
    ttl_s: PositiveInt = Field(604_800, description="seconds a result is kept")
    max_entries: PositiveInt = Field(100_000, description="results kept in memory by `memory`")
    breaker_failures: PositiveInt = Field(3, description="failures in a row until Redis is left alone for a while")
    breaker_reset_s: PositiveFloat = Field(5.0, description="seconds it is left alone")
    secret: SecretStr = Field(
        SecretStr("enrich"),
        description="key of the hash that names results; your own keeps guesses of texts from matching",
    )


class OutputSettings(FrozenSettings):
    """What the records look like."""

    include_text: bool = Field(True, description="whether the record repeats the text that its spans point into")
    offset_unit: OffsetUnit = Field(OffsetUnit.CODE_POINT, description="what spans count: code_point, utf_16, utf_8")
    max_record_bytes: PositiveInt = Field(
        1_000_000, description="bytes of an output record; the brokers' message.max.bytes, less room for headers"
    )
