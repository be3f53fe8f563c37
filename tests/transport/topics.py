"""Topics and settings for one test, on a broker shared by all."""

from __future__ import annotations

from workers.settings import KafkaSettings
from workers.transport.kafka_admin import create_topics


def kafka_settings_for(bootstrap_servers: str, *, name: str, partitions: int = 3) -> KafkaSettings:
    """Time-outs are short, so that a test that waits for one is quick."""
    settings = KafkaSettings(
        bootstrap_servers=bootstrap_servers,
        input_topic=f"documents-{name}",
        enriched_topic=f"documents-{name}.enriched",
        dead_topic=f"documents-{name}.dead",
        group_id=f"enrich-{name}",
        transactional_id_prefix="test",
        session_timeout_ms=6_000,
        heartbeat_interval_ms=300,
        publish_deadline_ms=6_000,
        transaction_timeout_ms=10_000,
        request_timeout_ms=5_000,
    )
    create_topics(settings, (settings.input_topic, settings.enriched_topic, settings.dead_topic), partitions=partitions)
    return settings
