"""What the workers of a run are told about Kafka: topics and a group of their own."""

from __future__ import annotations

from typing import Literal

from workers.settings import KafkaSettings

Client = Literal["kafka-python", "confluent"]
SHORTEST_MS = {
    "session_timeout_ms": 3_000,
    "heartbeat_interval_ms": 500,
    "transaction_timeout_ms": 6_000,
    "publish_deadline_ms": 4_000,
    "request_timeout_ms": 4_000,
}


def chaos_settings(bootstrap_servers: str, name: str, *, client: Client = "kafka-python") -> KafkaSettings:
    """Time-outs as short as brokers allow, so that a freeze is over soon and so is what a kill leaves open."""
    return rolling_settings(bootstrap_servers, name, client=client).model_copy(update=SHORTEST_MS)


def rolling_settings(bootstrap_servers: str, name: str, *, client: Client = "kafka-python") -> KafkaSettings:
    """The product's own time-outs."""
    return KafkaSettings(
        client=client,
        bootstrap_servers=bootstrap_servers,
        input_topic=f"chaos-{name}",
        enriched_topic=f"chaos-{name}.enriched",
        dead_topic=f"chaos-{name}.dead",
        group_id=f"chaos-{name}",
    )
