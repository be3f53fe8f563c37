"""Kafka's own cases, with each client: what stops a start, what a rebalance takes away, what a broker refuses."""

from __future__ import annotations

import socket
from typing import Literal

import pytest

from tests.transport.clients import CLIENTS
from tests.transport.harness import (
    LIMITS,
    KafkaHarness,
    assigned,
    generation,
    next_epoch,
    pass_all_through,
    passed_on,
    publish,
    settled,
    wait_until,
)
from workers.errors import ConfigurationError, DependencyError, PublishFailed
from workers.settings import KafkaSettings
from workers.transport.base import Epoch, EpochLimits, OutgoingRecord
from workers.transport.clients import open_transport, start_checks
from workers.transport.grouped import GroupTransport
from workers.transport.kafka_admin import read_all


@pytest.mark.kafka
def test_a_missing_topic_stops_the_start_and_is_named_with_the_command_that_makes_it(
    client_harness: KafkaHarness,
) -> None:
    settings = client_harness.settings
    settings = settings.model_copy(update={"dead_topic": f"{settings.dead_topic}-missing"})
    with pytest.raises(ConfigurationError, match=rf"--create --topic {settings.dead_topic} "):
        open_transport(settings).start()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_silent_broker_stops_the_start_within_the_connect_time_out(
    client: Literal["kafka-python", "confluent"],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        servers = f"127.0.0.1:{silent.getsockname()[1]}"
        settings = KafkaSettings(client=client, bootstrap_servers=servers, connect_timeout_ms=300)
        with pytest.raises(DependencyError, match="reaching Kafka at 127"):
            open_transport(settings).start()


@pytest.mark.kafka
@pytest.mark.apache  # the embedded broker has no such limit
def test_records_larger_than_a_topic_takes_are_told_before_the_start(client_harness: KafkaHarness) -> None:
    checks = start_checks(client_harness.settings)
    checks.check_record_limit(client_harness.settings, 1_000_000)
    with pytest.raises(ConfigurationError, match=r"max\.message\.bytes=1048588, too few"):
        checks.check_record_limit(client_harness.settings, 1_048_576)


@pytest.mark.kafka
@pytest.mark.apache  # the embedded broker makes topics by itself
def test_a_record_the_broker_refuses_fails_its_epoch_and_shows_nothing(client_harness: KafkaHarness) -> None:
    client_harness.settings = client_harness.settings.model_copy(update={"publish_deadline_ms": 2_000})
    client_harness.put((b"key", b"value", ()))
    transport = client_harness.member()
    epoch = next_epoch(transport)
    topic = client_harness.settings.enriched_topic
    records = [OutgoingRecord(topic, b"key", b"small"), OutgoingRecord("not-there", b"key", b"value")]
    assert isinstance(transport.publish(epoch, records).exception(20.0), PublishFailed)
    assert client_harness.came_out() == []
    transport.rewind()
    pass_all_through(client_harness, [transport], count=1)


@pytest.mark.kafka
def test_after_a_rebalance_only_epochs_whose_partitions_stayed_are_published(client_harness: KafkaHarness) -> None:
    client_harness.put(*[(b"key-%d" % number, b"%d" % number, ()) for number in range(30)])
    first = client_harness.member()
    epochs: dict[int, Epoch] = {}
    while len(epochs) < 3:  # one of each partition, none of two
        epoch = next_epoch(first, EpochLimits(1, 1_000))
        epochs.setdefault(epoch.records[0].partition.number, epoch)
    before = generation(first)
    second = client_harness.member()

    def kept() -> set[int] | None:
        for member in (first, second):
            member.poll(LIMITS, timeout_s=0.02, accept=False)
        taken_over = len(assigned(first)) < 3 and assigned(second) and settled(first)
        return assigned(first) if taken_over else None

    stayed = wait_until(kept, "the second member to take over")
    assert generation(first) > before
    for number in sorted(stayed):
        assert publish(client_harness, first, epochs[number]) is None
    for number in sorted(epochs.keys() - stayed):
        assert "taken away" in str(publish(client_harness, first, epochs[number]))


@pytest.mark.kafka
@pytest.mark.apache
def test_latest_starts_at_the_end_and_a_failure_does_not_move_the_start(client_harness: KafkaHarness) -> None:
    client_harness.put((b"key", b"before", ()))
    client_harness.settings = client_harness.settings.model_copy(update={"start_at": "latest"})
    transport = client_harness.member()
    read: list[Epoch] = []

    def something_read() -> bool | None:
        """Nobody tells when a member has its place to start, so one record after the other until it reads one."""
        client_harness.put((b"key", b"after", ()))
        epoch = transport.poll(LIMITS, timeout_s=0.3, accept=True)
        read.extend([epoch] if epoch is not None else [])
        return bool(read) or None

    wait_until(something_read, "a record behind the start")
    client_harness.fail_next_publish()
    assert isinstance(publish(client_harness, transport, read[0]), PublishFailed)
    transport.rewind()
    assert next_epoch(transport).records[0] == read[0].records[0]
    assert {record.value for record in read[0].records} == {b"after"}


@pytest.mark.kafka
@pytest.mark.apache
def test_a_restart_with_the_same_instance_id_ends_what_the_killed_worker_left_open(
    client_harness: KafkaHarness,
) -> None:
    client_harness.settings = client_harness.settings.model_copy(update={"group_instance_id": "worker-0"})
    client_harness.put((b"key", b"value", ()))
    killed = client_harness.member()
    epoch = next_epoch(killed)
    client_harness.script.offsets_may_go.clear()  # its records are sent, and then it is as if it were gone
    left_open = killed.publish(epoch, passed_on(client_harness, epoch))
    successor = open_transport(client_harness.settings)
    assert isinstance(successor, GroupTransport)
    client_harness.started(successor)
    pass_all_through(client_harness, [successor], count=1)
    # Were the open transaction still there, nothing behind it would be visible until its time-out of 10 s.
    assert [record.value for record in client_harness.came_out()] == [epoch.records[0].value]
    client_harness.script.offsets_may_go.set()
    assert isinstance(left_open.exception(20.0), PublishFailed)
    assert len(client_harness.came_out()) == 1


@pytest.mark.kafka
@pytest.mark.apache
def test_a_transaction_that_would_commit_late_is_fenced_before_its_records_are_read_again(
    client_harness: KafkaHarness,
) -> None:
    client_harness.settings = client_harness.settings.model_copy(update={"publish_deadline_ms": 500})
    client_harness.put(*[(b"key", b"%d" % number, ()) for number in range(5)])
    transport = client_harness.member()
    assert isinstance(transport, GroupTransport)
    slow = next_epoch(transport)
    client_harness.script.offsets_may_go.clear()
    late = transport.publish(slow, passed_on(client_harness, slow))
    assert "no end within 0.5 s" in str(late.exception(10.0))
    transport.rewind()
    again = next_epoch(transport)
    assert again.records == slow.records
    client_harness.script.offsets_may_go.set()  # only now does the old transaction go on
    publisher = transport._publisher
    wait_until(lambda: publisher.settled or None, "a producer")
    assert publish(client_harness, transport, again) is None
    assert len(client_harness.came_out()) == 5


@pytest.mark.kafka
@pytest.mark.apache
@pytest.mark.confluent
def test_members_with_different_clients_share_one_group_and_a_key_keeps_its_partition(
    kafka_settings: KafkaSettings,
) -> None:
    harness = KafkaHarness(kafka_settings)
    numbers = [b"%d" % number for number in range(90)]
    harness.put(*[(b"key-%s" % number, number, ()) for number in numbers[:45]])
    members = [harness.member()]
    harness.settings = kafka_settings.model_copy(update={"client": "confluent"})
    members.append(harness.member())

    def both_work() -> bool | None:
        pass_all_through(harness, members, count=0)
        for member in members:
            member.poll(LIMITS, timeout_s=0.02, accept=False)
        return all(assigned(member) for member in members) or None

    wait_until(both_work, "both members to have partitions")
    harness.put(*[(b"key-%s" % number, number, ()) for number in numbers[45:]])
    pass_all_through(harness, members, count=90)
    came_out, went_in = harness.came_out(), read_all(kafka_settings, [kafka_settings.input_topic])
    harness.close()
    assert sorted(record.value or b"" for record in came_out) == sorted(numbers)
    assert {(r.key, r.partition.number) for r in came_out} == {(r.key, r.partition.number) for r in went_in}
