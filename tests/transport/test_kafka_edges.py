"""Kafka's own cases: what stops a start, what a rebalance takes away, what a broker refuses."""

from __future__ import annotations

import gc
import socket
import threading

import pytest
from kafka import errors as kafka

from tests.transport.harness import KafkaHarness, next_epoch, pass_all_through
from workers.errors import ConfigurationError, DependencyError
from workers.settings import KafkaSettings
from workers.transport.base import OutgoingRecord
from workers.transport.broker import NameTaken, transactional_id
from workers.transport.kafka import KafkaTransport
from workers.transport.kafka_admin import create_topics, missing_topics, reachable
from workers.transport.kafka_client import connection_options, translated


def test_a_silent_broker_stops_the_start_within_the_connect_time_out_and_leaves_nothing_behind() -> None:
    before = set(threading.enumerate())  # what other tests left behind on purpose
    with socket.create_server(("127.0.0.1", 0)) as silent:
        servers = f"127.0.0.1:{silent.getsockname()[1]}"
        settings = KafkaSettings(bootstrap_servers=servers, connect_timeout_ms=300)
        assert not reachable(settings)
        with pytest.raises(DependencyError, match="reaching Kafka at 127"):
            KafkaTransport(settings).start()
    gc.collect()  # a socket left open would be found here
    left = set(threading.enumerate()) - before
    assert not [thread.name for thread in left if "kafka" in thread.name.lower()]


@pytest.mark.kafka
def test_topics_are_made_once_and_again_means_nothing(kafka_settings: KafkaSettings) -> None:
    topic = f"{kafka_settings.input_topic}-new"
    assert reachable(kafka_settings)
    assert missing_topics(kafka_settings, [topic, kafka_settings.input_topic]) == (topic,)
    create_topics(kafka_settings, [topic], partitions=2)
    create_topics(kafka_settings, [topic], partitions=2)
    assert missing_topics(kafka_settings, [topic]) == ()


@pytest.mark.kafka
@pytest.mark.apache
def test_a_restart_with_the_same_instance_id_ends_what_the_killed_worker_left_open(kafka_harness: KafkaHarness) -> None:
    kafka_harness.settings = kafka_harness.settings.model_copy(update={"group_instance_id": "worker-0"})
    kafka_harness.put((b"key", b"value", ()))
    killed = kafka_harness.member()
    assert isinstance(killed, KafkaTransport)
    epoch = next_epoch(killed)
    killed._publisher._lane.call(lambda producer: producer.begin_transaction(), timeout_s=5.0)  # type: ignore[union-attr]
    record = OutgoingRecord(kafka_harness.settings.enriched_topic, b"key", b"never seen")
    killed._publisher._lane.call(  # type: ignore[union-attr]
        lambda producer: producer.send(record.topic, key=record.key, value=record.value).get(5.0), timeout_s=6.0
    )
    successor = kafka_harness.member()
    pass_all_through(kafka_harness, [successor], count=1)
    # Were the open transaction still there, nothing behind it would be visible until its time-out of 10 s.
    assert [record.value for record in kafka_harness.came_out()] == [epoch.records[0].value]


def test_a_transactional_id_is_the_instance_s_or_never_used_twice() -> None:
    static = KafkaSettings(group_instance_id="pod-3", group_id="g", transactional_id_prefix="p")
    assert transactional_id(static) == "p-g-pod-3"
    dynamic = KafkaSettings()
    assert transactional_id(dynamic) != transactional_id(dynamic)


def test_security_settings_reach_the_client_and_the_password_is_not_in_their_text() -> None:
    settings = KafkaSettings(
        bootstrap_servers="a:1, b:2",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="user",
        sasl_password="secret",
        ssl_check_hostname=False,
    )
    options = connection_options(settings, role="consumer")
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert options["sasl_plain_password"] == "secret"
    assert options["ssl_context"].check_hostname is False  # type: ignore[attr-defined]
    assert "secret" not in repr(settings)


def test_a_bad_certificate_is_a_matter_of_configuration(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    path.write_text("not a certificate")
    with pytest.raises(ConfigurationError, match="ssl_ca_file"):
        connection_options(KafkaSettings(security_protocol="SSL", ssl_ca_file=path), role="consumer")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (kafka.GroupAuthorizationFailedError("g"), ConfigurationError),
        (kafka.TransactionalIdAuthorizationFailedError(), ConfigurationError),
        (kafka.SaslAuthenticationFailedError(), ConfigurationError),
        (kafka.FencedInstanceIdError(), NameTaken),
        (kafka.InvalidSessionTimeoutError(), ConfigurationError),
        (kafka.KafkaTimeoutError(), DependencyError),
        (kafka.NotCoordinatorError(), DependencyError),
        (OSError("reset"), DependencyError),
        (RuntimeError("who knows"), DependencyError),
    ],
)
def test_what_a_person_must_change_is_configuration_and_everything_else_is_tried_again(
    error: Exception, kind: type[Exception]
) -> None:
    assert type(translated(error, "polling")) is kind
