"""Session fixtures: the services that were found, started on first use. Helpers live in importable modules."""

from __future__ import annotations

import importlib.util
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings as laws

from tests.services import Source, find_kafka, find_redis
from workers.settings import KafkaSettings

# Machines that run tests are busy: the time of one example says nothing.
laws.register_profile("calm", deadline=None)
laws.load_profile("calm")

FOUND: dict[str, Source | None] = {}


def found(service: str) -> Source | None:
    if service not in FOUND:
        FOUND[service] = find_kafka() if service == "kafka" else find_redis()
    return FOUND[service]


def pytest_report_header() -> str:
    names = {service: source.name if (source := found(service)) else "none" for service in ("kafka", "redis")}
    return f"services: kafka from {names['kafka']}, redis from {names['redis']}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Last, as it takes so long that it may have to be left out.
    items.sort(key=lambda item: item.get_closest_marker("containers") is not None)
    kafka, redis = found("kafka"), found("redis")
    for item in items:
        if item.get_closest_marker("kafka") and kafka is None:
            item.add_marker(pytest.mark.skip(reason="no broker was found, see tests/services.py"))
        if item.get_closest_marker("apache") and (kafka is None or kafka.embedded):
            item.add_marker(pytest.mark.skip(reason="needs Apache Kafka itself, see tests/services.py"))
        if item.get_closest_marker("confluent") and importlib.util.find_spec("confluent_kafka") is None:
            item.add_marker(pytest.mark.skip(reason="the extra `confluent` is not installed"))
        if item.get_closest_marker("redis") and redis is None:
            item.add_marker(pytest.mark.skip(reason="no Redis was found, see tests/services.py"))


def running(service: str, factory: pytest.TempPathFactory) -> Iterator[str]:
    source = found(service)
    if source is None:
        pytest.skip(f"no {service} was found, see tests/services.py")
    with ExitStack() as stack:
        yield source.start(stack, factory.mktemp(service))


@pytest.fixture(scope="session")
def bootstrap_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from running("kafka", tmp_path_factory)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from running("redis", tmp_path_factory)


@pytest.fixture
def kafka_settings(bootstrap_servers: str) -> KafkaSettings:
    """Settings with topics and a group of their own; the topics exist, with three partitions."""
    from tests.transport.topics import kafka_settings_for  # not above: kafka warns when imported before pytest filters

    return kafka_settings_for(bootstrap_servers, name=uuid.uuid4().hex[:12])
