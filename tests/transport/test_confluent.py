"""librdkafka itself: options, errors and flags, what it calls a membership, and where it differs from kafka-python."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("confluent_kafka", reason="the extra `confluent` is not installed")

from confluent_kafka import KafkaError, KafkaException, Producer

from tests.fakes.confluent_consumers import proof
from tests.transport.harness import LIMITS, KafkaHarness, next_epoch, publish, wait_until
from workers.errors import ConfigurationError, DependencyError, PublishFailed
from workers.settings import KafkaSettings
from workers.transport.base import Headers, OutgoingRecord
from workers.transport.broker import NameTaken
from workers.transport.clients import open_transport, start_checks
from workers.transport.confluent import ConfluentTransport
from workers.transport.confluent_admin import missing_topics, reachable
from workers.transport.confluent_client import (
    Reports,
    connection_options,
    member_options,
    transactional_options,
    translated,
    until_deadline,
)
from workers.transport.confluent_membership import UNKNOWN_GENERATION, ConfluentMembership, generation_in, membership_of
from workers.transport.confluent_publisher import transact
from workers.transport.publisher import Publication


@pytest.fixture
def harness(kafka_settings: KafkaSettings) -> Iterator[KafkaHarness]:
    made = KafkaHarness(kafka_settings.model_copy(update={"client": "confluent"}))
    yield made
    made.close()


def test_without_the_extra_the_start_stops_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("workers.transport.confluent")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("workers.transport.confluent_admin", raising=False)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    for opened in (open_transport, start_checks):
        with pytest.raises(ConfigurationError, match=r"pip install 'enrich-workers\[confluent\]'"):
            opened(KafkaSettings(client="confluent"))


def test_security_settings_reach_the_client() -> None:
    settings = KafkaSettings(
        bootstrap_servers="a:1, b:2",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="user",
        sasl_password="secret",
        ssl_check_hostname=False,
        ssl_key_password="key secret",
    )
    options = connection_options(settings, role="consumer")
    expected = {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "user",
        "sasl.password": "secret",
        "ssl.endpoint.identification.algorithm": "none",
        "ssl.key.password": "key secret",
    }
    assert {name: options[name] for name in expected} == expected


def test_a_bad_certificate_is_a_matter_of_configuration(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    path.write_text("not a certificate")
    with pytest.raises(ConfigurationError, match=r"ssl\.ca\.location"):
        missing_topics(KafkaSettings(security_protocol="SSL", ssl_ca_file=path), ["documents"])


def test_deadlines_are_nested_as_the_library_wants_them() -> None:
    settings = KafkaSettings(transaction_timeout_ms=5_000, publish_deadline_ms=4_950, request_timeout_ms=9_000)
    options = transactional_options(settings, "name")
    assert options["socket.timeout.ms"] == 4_900
    assert options["message.timeout.ms"] == 4_950


def test_static_membership_is_asked_for_where_it_is_set() -> None:
    assert "group.instance.id" not in member_options(KafkaSettings(), Reports())
    assert member_options(KafkaSettings(group_instance_id="pod-1"), Reports())["group.instance.id"] == "pod-1"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.GROUP_AUTHORIZATION_FAILED, ConfigurationError),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, ConfigurationError),
        (KafkaError._AUTHENTICATION, ConfigurationError),
        (KafkaError.FENCED_INSTANCE_ID, NameTaken),
        (KafkaError.INVALID_SESSION_TIMEOUT, ConfigurationError),
        (KafkaError._INVALID_ARG, ConfigurationError),
        (KafkaError._TIMED_OUT, DependencyError),
        (KafkaError.NOT_COORDINATOR, DependencyError),
        (KafkaError._FENCED, DependencyError),  # a successor of ours, or a twin: a new producer finds out
    ],
)
def test_what_a_person_must_change_is_configuration_and_everything_else_is_tried_again(
    code: int, kind: type[Exception]
) -> None:
    assert type(translated(KafkaException(KafkaError(code)), "polling")) is kind
    assert type(translated(OSError("reset"), "polling")) is DependencyError


@pytest.mark.kafka
@pytest.mark.apache
def test_what_is_fatal_among_delivery_reports_is_told_and_not_python_s_complaint(kafka_settings: KafkaSettings) -> None:
    options = transactional_options(kafka_settings, f"fatal-{kafka_settings.group_id}")
    records = [OutgoingRecord(kafka_settings.enriched_topic, b"key-%d" % n, b"value") for n in range(500)]

    class Overtaken(Producer):  # type: ignore[misc, unused-ignore]  # no types where the extra is missing
        """Fenced when the first records of a transaction are through."""

        def flush(self, timeout: float = -1) -> int:
            left = super().flush(timeout)
            successor = Producer(options)
            successor.init_transactions(20.0)
            for record in records:
                self.produce(record.topic, record.value, record.key, on_delivery=lambda error, message: None)
            return left + super().flush(timeout)

    for _ in range(4):  # it depends on the moment: without `told_fatal` one of them ends with a SystemError
        producer = Overtaken(options)
        producer.init_transactions(20.0)
        job = Publication(records, {}, ConfluentMembership(b"", 1, "member"))
        with pytest.raises(KafkaException, match="fenced by newer producer"):
            transact(producer, job, timeout_s=20.0)


def test_a_right_that_is_refused_fatally_is_configuration_also_within_python_s_complaint() -> None:
    complaint = SystemError("a callback returned a result with an exception set")
    complaint.__cause__ = KafkaException(KafkaError(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, fatal=True))
    assert type(translated(complaint, "publishing")) is ConfigurationError
    assert type(translated(SystemError("of another kind"), "publishing")) is DependencyError


def test_a_retriable_error_is_tried_again_and_one_that_asks_to_abort_is_raised() -> None:
    def raising(*errors: KafkaError) -> list[KafkaError]:
        left = list(errors)

        def call(left_s: float) -> None:
            if left:
                raise KafkaException(left.pop(0))

        until_deadline(call, time.monotonic() + 60.0)
        return left

    again = KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, retriable=True)
    assert raising(again, again) == []
    with pytest.raises(KafkaException, match="ILLEGAL_GENERATION"):
        raising(again, KafkaError(KafkaError.ILLEGAL_GENERATION, txn_requires_abort=True))


def test_a_retriable_error_past_the_deadline_is_the_time_that_ran_out() -> None:
    def call(left_s: float) -> None:
        assert left_s == 0.0
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "not yet", retriable=True))

    with pytest.raises(TimeoutError, match="not yet"):
        until_deadline(call, time.monotonic())


@pytest.mark.skipif(sys.byteorder != "little", reason="the scripted proof is little-endian")
def test_a_generation_is_read_from_a_proof_of_the_known_form_only() -> None:
    assert generation_in(proof(-1, "")) == -1
    assert generation_in(proof(7, "member")) == 7
    assert generation_in(b"CGMDv9\x00\x01\x02\x03") == UNKNOWN_GENERATION
    assert generation_in(b"") == UNKNOWN_GENERATION


@pytest.mark.kafka
def test_canary_the_library_still_writes_its_proof_in_the_known_form(harness: KafkaHarness) -> None:
    harness.put((b"key", b"value", ()))
    transport = harness.member()
    assert isinstance(transport, ConfluentTransport)
    before = membership_of(transport._connected())
    next_epoch(transport)
    joined = membership_of(transport._connected())
    assert (before.generation_id, before.member_id) == (-1, "")
    assert joined.generation_id >= 1
    assert joined.member_id.encode() in joined.proof


@pytest.mark.kafka
def test_brokers_answer_and_topics_are_told_apart(kafka_settings: KafkaSettings) -> None:
    assert reachable(kafka_settings)
    assert not reachable(KafkaSettings(bootstrap_servers="127.0.0.1:1", connect_timeout_ms=300))
    new = f"{kafka_settings.input_topic}-new"
    assert missing_topics(kafka_settings, [new, kafka_settings.input_topic]) == (new,)
    assert missing_topics(kafka_settings, [new]) == (new,), "asking for a topic must not make it"


@pytest.mark.kafka
def test_a_retriable_commit_is_tried_again_by_the_same_producer(harness: KafkaHarness) -> None:
    harness.put((b"key", b"value", ()))
    harness.script.retriable_commits = 2
    transport = harness.member()
    assert publish(harness, transport, next_epoch(transport)) is None
    assert harness.script.producers == 1


@pytest.mark.kafka
def test_a_header_without_a_value_stays_one(harness: KafkaHarness) -> None:
    """kafka-python writes it as an empty one."""
    headers: Headers = (("none", None), ("empty", b""))
    harness.put((b"key", b"value", ()))
    transport = harness.member()
    epoch = next_epoch(transport)
    record = OutgoingRecord(harness.settings.enriched_topic, b"key", b"value", headers)
    assert transport.publish(epoch, [record]).exception(20.0) is None
    (came_out,) = harness.came_out()
    assert came_out.headers == headers


@pytest.mark.kafka
@pytest.mark.apache
def test_a_second_worker_with_the_same_instance_id_stops_the_first(harness: KafkaHarness) -> None:
    harness.settings = harness.settings.model_copy(update={"group_instance_id": "worker-0"})
    harness.put((b"key", b"value", ()))
    first = harness.member()
    held = next_epoch(first)
    second = harness.member()
    next_epoch(second)
    told: list[str] = []

    def stopped() -> bool | None:
        try:
            first.poll(LIMITS, timeout_s=0.05, accept=True)
        except ConfigurationError as error:
            told.append(str(error))
        return bool(told) or None

    wait_until(stopped, "the first worker to be told")
    assert isinstance(publish(harness, first, held), PublishFailed)
    assert "group.instance.id" in told[0].replace("_", ".")
