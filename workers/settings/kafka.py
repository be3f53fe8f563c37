"""The broker, the topics, and the promises between worker and group."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, PositiveInt, SecretStr, model_validator

from workers.settings.base import FrozenSettings


class KafkaSettings(FrozenSettings):
    """The broker, the topics, and the promises between worker and group."""

    client: Literal["kafka-python", "confluent"] = Field(
        "kafka-python",
        description="library that speaks to Kafka; confluent is librdkafka, more records a second, an extra to install",
    )
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
        1_000, description="ms between heartbeats; what a stopped worker leaves waits as long for the others to notice"
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
