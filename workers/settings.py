"""Every option, declared once: unit in the name, bound in the type, default, and the reason to change it.

Where values come from is `workers.configuration`'s business. Frozen; an unknown option is an error, and a combination
that cannot work is refused at the start with what, which limit, and what to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)

from schemas.base import OffsetUnit, StageName


class FrozenSettings(BaseModel):
    """Base of all settings: immutable, and closed to unknown options."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class KafkaSettings(FrozenSettings):
    """The broker, the topics, and the promises between worker and group."""

    bootstrap_servers: str = Field("127.0.0.1:9092", description="host:port, several with commas")
    input_topic: str = Field("documents", description="topic to read documents from")
    enriched_topic: str = Field("documents.enriched", description="topic for enriched documents and tombstones")
    dead_topic: str = Field("documents.dead", description="topic for dead letters")
    group_id: str = Field(
        "enrich", min_length=1, description="consumer group; workers of one group share the partitions"
    )
    client_id: str = Field("enrich-worker", min_length=1, description="name in the broker's logs and quotas")
    group_instance_id: str | None = Field(
        None,
        description="static membership: stable per pod, so that a restart within the session time-out moves nothing",
    )
    transactional_id_prefix: str = Field(
        "enrich", min_length=1, description="a worker's transactional id is this, the group and its instance"
    )
    start_at: Literal["earliest", "latest"] = Field("earliest", description="where a new group starts reading")
    session_timeout_ms: PositiveInt = Field(45_000, description="ms without heartbeat until the group drops a worker")
    heartbeat_interval_ms: PositiveInt = Field(
        3_000, description="ms between heartbeats; a third of the session or less"
    )
    max_poll_interval_ms: PositiveInt = Field(300_000, description="ms between polls until the worker counts as stuck")
    transaction_timeout_ms: PositiveInt = Field(
        30_000, description="ms until the broker aborts an open transaction; readers wait this long after a kill"
    )
    publish_deadline_ms: PositiveInt = Field(
        15_000,
        description="ms for one epoch's transaction, then its producer is dropped; below the transaction time-out",
    )
    request_timeout_ms: PositiveInt = Field(10_000, description="ms for one request to the broker")
    connect_timeout_ms: PositiveInt = Field(10_000, description="ms to reach the brokers at the start")
    compression: Literal["none", "gzip", "lz4"] = Field("lz4", description="compression of output batches")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to talk to the brokers"
    )
    ssl_ca_file: Path | None = Field(None, description="certificates to trust; the system's if not given")
    ssl_cert_file: Path | None = Field(None, description="client certificate for mutual TLS")
    ssl_key_file: Path | None = Field(None, description="key of the client certificate")
    ssl_key_password: SecretStr | None = Field(None, description="password of that key")
    ssl_check_hostname: bool = Field(True, description="whether the broker's certificate must match its name")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="how to log in; needs a SASL security protocol"
    )
    sasl_username: str | None = Field(None, description="user to log in as")
    sasl_password: SecretStr | None = Field(None, description="password of that user")

    @model_validator(mode="after")
    def deadlines_are_nested(self) -> Self:
        if self.publish_deadline_ms >= self.transaction_timeout_ms:
            raise ValueError(
                f"kafka.publish_deadline_ms={self.publish_deadline_ms} is not below kafka.transaction_timeout_ms="
                f"{self.transaction_timeout_ms}: lower the first or raise the second"
            )
        if self.heartbeat_interval_ms * 3 > self.session_timeout_ms:
            raise ValueError(
                f"kafka.heartbeat_interval_ms={self.heartbeat_interval_ms} is more than a third of "
                f"kafka.session_timeout_ms={self.session_timeout_ms}: lower the first or raise the second"
            )
        return self

    @model_validator(mode="after")
    def sasl_is_whole(self) -> Self:
        if self.security_protocol.startswith("SASL") and not (
            self.sasl_mechanism and self.sasl_username and self.sasl_password
        ):
            raise ValueError(
                f"kafka.security_protocol={self.security_protocol} needs kafka.sasl_mechanism, kafka.sasl_username and "
                "kafka.sasl_password: set all three"
            )
        return self

    @model_validator(mode="after")
    def topics_differ(self) -> Self:
        if len({self.input_topic, self.enriched_topic, self.dead_topic}) < 3:
            raise ValueError("kafka.input_topic, kafka.enriched_topic and kafka.dead_topic must differ: rename one")
        return self


class EpochSettings(FrozenSettings):
    """How much is taken in one piece, and how much may be under way."""

    max_records: PositiveInt = Field(128, description="documents per transaction; more is faster, and more is redone")
    max_bytes: PositiveInt = Field(4_194_304, description="bytes of documents per transaction")
    max_in_flight: PositiveInt = Field(
        3, le=16, description="epochs under way: one prepared, one on the device, one published"
    )
    max_in_flight_bytes: PositiveInt = Field(16_777_216, description="bytes of documents under way; bounds the memory")
    poll_ms: PositiveInt = Field(50, description="ms one poll may wait")
    drain_s: PositiveFloat = Field(20.0, description="seconds to finish after SIGTERM; below the pod's grace period")


class LimitSettings(FrozenSettings):
    """What a document may be. Anything above is a dead letter, told before it is parsed where possible."""

    max_record_bytes: PositiveInt = Field(1_048_576, description="bytes of a record's value")
    max_text_characters: PositiveInt = Field(1_000_000, description="code points of a document's text")
    max_json_depth: PositiveInt = Field(32, description="nesting of a record's JSON")
    max_dead_letter_bytes: NonNegativeInt = Field(
        262_144, description="bytes of a bad record kept in its dead letter; above it only the origin is kept"
    )
    plain_text: bool = Field(False, description="whether a record without content-type header is text, not JSON")


class WindowSettings(FrozenSettings):
    """How long texts are cut."""

    max_tokens: PositiveInt = Field(254, ge=16, le=510, description="tokens of a window; longer sees more, costs more")
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


class ModelSettings(FrozenSettings):
    """Which model, and how it runs."""

    name: str = Field("default", description="packaged model by name, or a folder made by `enrich train`")
    trunk: Path | None = Field(None, description="folder of the trunk's files; found by digest elsewhere if not given")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where the hardware has it")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    threads: NonNegativeInt = Field(0, description="threads of one operation; 0 leaves it to torch")


class BatchSettings(FrozenSettings):
    """What goes through the device together."""

    max_items: PositiveInt = Field(64, description="windows in a batch")
    max_padded_tokens: PositiveInt = Field(8_192, description="items x padded length; raise until the device is busy")
    max_wait_ms: NonNegativeFloat = Field(
        5.0, description="ms a window waits for company while the device is busy elsewhere"
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


class EntitySettings(FrozenSettings):
    enabled: bool = Field(True, description="whether entities are in the record")
    min_score: float = Field(0.5, ge=0, le=1, description="entities below are left out")


class RelationSettings(FrozenSettings):
    enabled: bool = Field(True, description="whether relations are in the record")
    min_score: float | None = Field(
        None, ge=0, le=1, description="relations below are left out; the model's own if not given"
    )


DEFAULT_LABELS = {
    "business": "Business and finance: companies, markets, trade, earnings and the economy.",
    "politics": "Politics and government: elections, parliament, ministers, laws and diplomacy.",
    "sport": "Sport: matches, teams, players, tournaments and results.",
    "technology": "Technology: software, computers, the internet, phones and gadgets.",
    "entertainment": "Entertainment and culture: films, music, television, books, art and celebrities.",
    "science and health": "Science, medicine and health: research, diseases, treatments and the environment.",
    "customer support": "A message from a customer who asks for help with a product, an order, a bill or an account.",
}


class ClassificationSettings(FrozenSettings):
    enabled: bool = Field(True, description="whether labels are in the record")
    labels: dict[str, str] = Field(
        default=DEFAULT_LABELS,
        min_length=1,
        description="label and a sentence that describes it; a good one is worth points",
    )
    min_score: float = Field(
        0.35, ge=0, le=1, description="labels below are left out; with none left the stage abstains"
    )
    multi_label: bool = Field(False, description="whether several labels may be given, not only the best")


class SummarySettings(FrozenSettings):
    enabled: bool = Field(True, description="whether a summary is in the record")
    max_sentences: PositiveInt = Field(3, description="sentences quoted")
    min_sentences_in_document: PositiveInt = Field(
        4, description="shorter documents are their own summary: none is made"
    )


class StageSettings(FrozenSettings):
    """The four enrichments."""

    entities: EntitySettings = EntitySettings()
    relations: RelationSettings = RelationSettings()
    classification: ClassificationSettings = ClassificationSettings()
    summary: SummarySettings = SummarySettings()

    def enabled(self) -> tuple[StageName, ...]:
        """The stages that are switched on, in order."""
        return tuple(name for name in StageName if getattr(self, name.value).enabled)


class OutputSettings(FrozenSettings):
    """What the records look like."""

    include_text: bool = Field(True, description="whether the record repeats the text that its spans point into")
    offset_unit: OffsetUnit = Field(OffsetUnit.CODE_POINT, description="what spans count: code_point, utf_16, utf_8")
    max_record_bytes: PositiveInt = Field(
        1_000_000, description="bytes of an output record; the brokers' message.max.bytes, less room for headers"
    )


class Settings(FrozenSettings):
    """The whole tree."""

    kafka: KafkaSettings = KafkaSettings()
    epoch: EpochSettings = EpochSettings()
    limits: LimitSettings = LimitSettings()
    window: WindowSettings = WindowSettings()
    model: ModelSettings = ModelSettings()
    batch: BatchSettings = BatchSettings()
    cache: CacheSettings = CacheSettings()
    stages: StageSettings = StageSettings()
    output: OutputSettings = OutputSettings()

    @model_validator(mode="after")
    def sizes_fit(self) -> Self:
        if self.window.max_tokens + 2 > self.batch.max_padded_tokens:
            raise ValueError(
                f"window.max_tokens={self.window.max_tokens} does not fit batch.max_padded_tokens="
                f"{self.batch.max_padded_tokens}: lower the first or raise the second"
            )
        if self.limits.max_record_bytes > self.epoch.max_in_flight_bytes:
            raise ValueError(
                f"limits.max_record_bytes={self.limits.max_record_bytes} exceeds epoch.max_in_flight_bytes="
                f"{self.epoch.max_in_flight_bytes}: lower the first or raise the second"
            )
        if self.stages.relations.enabled and not self.stages.entities.enabled:
            raise ValueError("stages.relations needs stages.entities: enable entities or disable relations")
        return self
