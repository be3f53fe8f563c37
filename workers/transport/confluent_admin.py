"""What librdkafka can tell before a worker starts: whether brokers answer, which topics are there, what they take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from workers.errors import DependencyError
from workers.settings import KafkaSettings
from workers.transport.broker import require_record_limit, topics_denied
from workers.transport.confluent_client import Reports, confluent_errors, connection_options


def reachable(settings: KafkaSettings) -> bool:
    """Whether a broker answers within `connect_timeout_ms`."""
    try:
        missing_topics(settings, ())
    except DependencyError:
        return False
    return True


def missing_topics(settings: KafkaSettings, topics: Sequence[str]) -> tuple[str, ...]:
    """Those of `topics` that do not exist. Raises ConfigurationError for one this user may not see."""
    with looking_client(settings) as (client, reports):
        timeout_s = settings.connect_timeout_ms / 1000
        found: dict[str, KafkaError | None] = {}
        with confluent_errors(f"reaching Kafka at {settings.bootstrap_servers}"):
            try:
                for topic in topics or (None,):
                    described = client.list_topics(topic, timeout=timeout_s).topics
                    found |= {name: metadata.error for name, metadata in described.items()}
            except KafkaException:
                client.poll(0.0)  # a refused log-in is told here only; the call above just had no answer
                if reports.lasting is not None:
                    raise KafkaException(reports.lasting) from None
                raise
    denied = [topic for topic in topics if _code(found.get(topic)) == KafkaError.TOPIC_AUTHORIZATION_FAILED]
    if denied:
        raise topics_denied(denied)
    unknown = KafkaError.UNKNOWN_TOPIC_OR_PART
    return tuple(topic for topic in topics if topic not in found or _code(found[topic]) == unknown)


def check_record_limit(settings: KafkaSettings, max_record_bytes: int) -> None:
    """Raises ConfigurationError if an output topic takes no records of `max_record_bytes`."""
    require_record_limit(settings, max_record_bytes, partial(topic_option, settings))


def topic_option(settings: KafkaSettings, topic: str, option: str) -> str:
    """What the broker has for an option of a topic, its default included."""
    timeout_s = settings.connect_timeout_ms / 1000
    wanted = ConfigResource(ResourceType.TOPIC, topic)
    options = cast(dict[str, str | int | float | bool], connection_options(settings, role="admin"))
    with confluent_errors(f"reading {option} of {topic}"), AdminClient(options) as client:
        described = client.describe_configs([wanted], request_timeout=timeout_s)[wanted].result(timeout_s)
        return str(described[option].value)


def group_members(settings: KafkaSettings) -> frozenset[str]:
    """The ids of those who are in the group now."""
    timeout_s, group_id = settings.connect_timeout_ms / 1000, settings.group_id
    options = cast(dict[str, str | int | float | bool], connection_options(settings, role="admin"))
    with confluent_errors(f"describing the group {group_id}"), AdminClient(options) as client:
        described = client.describe_consumer_groups([group_id], request_timeout=timeout_s)[group_id].result(timeout_s)
        return frozenset(member.member_id for member in described.members)


@contextmanager
def looking_client(settings: KafkaSettings) -> Iterator[tuple[Consumer, Reports]]:
    """A consumer that joins nothing: unlike an admin client it makes no topic by asking for it."""
    reports = Reports()
    options = connection_options(settings, role="admin", reports=reports)
    with confluent_errors("making a client"):
        client = Consumer(options | {"group.id": settings.group_id, "allow.auto.create.topics": False})
    try:
        yield client, reports
    finally:
        client.close()


def _code(error: KafkaError | None) -> int | None:
    return None if error is None else error.code()
