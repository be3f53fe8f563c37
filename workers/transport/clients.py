"""Which library a worker speaks to Kafka with: the transport and the checks at the start, by one setting.

Imports neither library before it is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from workers.errors import extra_needed
from workers.settings import KafkaSettings
from workers.transport.base import Transport


def open_transport(settings: KafkaSettings) -> Transport:
    """The transport of the client the settings name, not started. Raises ConfigurationError if it is not installed."""
    if settings.client == "confluent":
        with extra_needed("confluent"):
            from workers.transport.confluent import ConfluentTransport

        return ConfluentTransport(settings)
    from workers.transport.kafka import KafkaTransport

    return KafkaTransport(settings)


class StartChecks(Protocol):
    """What is asked of the brokers before a worker starts, with the client that it will use."""

    def missing_topics(self, settings: KafkaSettings, topics: Sequence[str]) -> tuple[str, ...]: ...
    def check_record_limit(self, settings: KafkaSettings, max_record_bytes: int) -> None: ...


def start_checks(settings: KafkaSettings) -> StartChecks:
    """Raises ConfigurationError if the client is not installed."""
    if settings.client == "confluent":
        with extra_needed("confluent"):
            from workers.transport import confluent_admin
        return confluent_admin
    from workers.transport import kafka_admin

    return kafka_admin
