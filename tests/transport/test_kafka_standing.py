"""A broker that does not answer shows in where a kafka-python member stands, and passes when it answers again."""

from __future__ import annotations

import pytest

from tests.transport.harness import LIMITS, KafkaHarness, wait_until
from workers.settings import KafkaSettings
from workers.transport.grouped import GroupTransport

pytestmark = pytest.mark.kafka


def test_a_coordinator_that_is_lost_is_a_problem_until_it_is_found_again(kafka_settings: KafkaSettings) -> None:
    harness = KafkaHarness(kafka_settings)
    try:
        member = harness.member()
        assert isinstance(member, GroupTransport)

        def well() -> bool | None:
            member.poll(LIMITS, timeout_s=0.05, accept=True)
            return True if member.standing().problem is None else None

        wait_until(well, "a membership")
        member._connected()._coordinator.coordinator_dead("as after a heartbeat without an answer")
        assert member.standing().problem is not None
        wait_until(well, "the coordinator to be found again")
    finally:
        harness.close()
