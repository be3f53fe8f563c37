"""A worker with a name of its own that is told to stop: the group knows at once, and a successor is left alone."""

from __future__ import annotations

import pytest

from tests.transport.harness import LIMITS, KafkaHarness, assigned, generation, wait_until
from workers.settings import KafkaSettings
from workers.transport.base import Transport
from workers.transport.clients import open_transport
from workers.transport.kafka_admin import admin_client
from workers.transport.kafka_leaving import leave_under_name

pytestmark = [pytest.mark.kafka, pytest.mark.apache]  # the embedded broker knows no static members


def named(harness: KafkaHarness, name: str) -> Transport:
    return harness.started(open_transport(harness.settings.model_copy(update={"group_instance_id": name})))


def poll_until_assigned(transport: Transport) -> None:
    def polled() -> bool | None:
        transport.poll(LIMITS, timeout_s=0.05, accept=True)
        return True if assigned(transport) else None

    wait_until(polled, "partitions")


def members(settings: KafkaSettings) -> dict[str, str]:
    """Member ids by name."""
    with admin_client(settings) as client:
        found = client.describe_groups([settings.group_id])[settings.group_id]["members"]
    return {member["group_instance_id"]: member["member_id"] for member in found}


def test_a_stopped_worker_is_out_of_the_group_when_it_has_closed(client_harness: KafkaHarness) -> None:
    worker = named(client_harness, "pod-0")
    poll_until_assigned(worker)
    assert set(members(client_harness.settings)) == {"pod-0"}
    worker.close(timeout_s=10.0)
    assert members(client_harness.settings) == {}


def test_a_successor_of_the_same_name_is_left_alone(client_harness: KafkaHarness) -> None:
    settings = client_harness.settings.model_copy(update={"group_instance_id": "pod-0"})
    poll_until_assigned(named(client_harness, "pod-0"))
    former = members(settings)["pod-0"]
    successor = named(client_harness, "pod-0")
    poll_until_assigned(successor)
    assert members(settings)["pod-0"] != former
    leave_under_name(settings, former, timeout_s=5.0)
    assert members(settings).keys() == {"pod-0"}
    assert generation(successor) >= 0


def test_a_worker_without_a_name_needs_no_telling() -> None:
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    leave_under_name(nowhere, "member-1", timeout_s=0.5)  # asks nobody


def test_a_broker_that_is_away_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    away = KafkaSettings(bootstrap_servers="127.0.0.1:1", group_instance_id="pod-0")
    leave_under_name(away, "member-1", timeout_s=0.5)
    assert "the group will notice by itself" in caplog.text
