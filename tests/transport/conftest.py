"""Fixtures of the Kafka tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.transport.clients import CLIENTS

if TYPE_CHECKING:
    from kafka import KafkaConsumer

    from tests.transport.harness import KafkaHarness
    from workers.settings import KafkaSettings


@pytest.fixture(params=CLIENTS)
def client_harness(request: pytest.FixtureRequest, kafka_settings: KafkaSettings) -> Iterator[KafkaHarness]:
    """Kafka with each of the clients, for what both must do alike."""
    from tests.transport.harness import KafkaHarness  # not above: see tests/conftest.py

    made = KafkaHarness(kafka_settings.model_copy(update={"client": request.param}))
    yield made
    made.close()


@pytest.fixture
def kafka_harness(kafka_settings: KafkaSettings) -> Iterator[KafkaHarness]:
    from tests.transport.harness import KafkaHarness  # not above: see tests/conftest.py

    made = KafkaHarness(kafka_settings)
    yield made
    made.close()


@pytest.fixture
def consumer(kafka_settings: KafkaSettings) -> Iterator[KafkaConsumer]:
    """A plain member of the group, joined."""
    from tests.transport.plain import plain_member

    with plain_member(kafka_settings) as member:
        yield member
