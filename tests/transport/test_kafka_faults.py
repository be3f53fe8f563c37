"""What brokers do to a worker that runs, with each client: it goes on by itself, or says in one line why not."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ConfigResource, ResourcePattern, ResourceType

from tests.chaos.cluster import Cluster
from tests.services import kafka_home, wait_for_broker
from tests.transport.clients import CLIENTS
from tests.transport.harness import LIMITS, KafkaHarness, next_epoch, pass_all_through, passed_on, publish, wait_until
from tests.transport.topics import kafka_settings_for
from workers.errors import ConfigurationError, DependencyError, PublishFailed
from workers.transport.base import OutgoingRecord, Transport
from workers.transport.grouped import GroupTransport
from workers.transport.kafka_admin import admin_client
from workers.transport.kafka_clients import transactional_producer
from workers.transport.topics import TopicWatch

pytestmark = [pytest.mark.kafka, pytest.mark.apache]

TEN = [(b"key-%d" % number, b"%d" % number, ()) for number in range(10)]


def end_of(harness: KafkaHarness, transport: Transport, topic: str) -> ConfigurationError:
    """What stops a worker that copies to `topic`, and reads again after every other failure."""

    def turn() -> ConfigurationError | None:
        try:
            epoch = transport.poll(LIMITS, timeout_s=0.1, accept=True)
            if epoch is not None:
                records = [OutgoingRecord(topic, record.key, record.value) for record in epoch.records]
                transport.publish(epoch, records).result(30.0)
        except DependencyError:
            transport.rewind()
        except ConfigurationError as error:
            return error
        return None

    return wait_until(turn, "a word about it")


@pytest.mark.parametrize("name", ["input_topic", "enriched_topic", "dead_topic"])
def test_a_topic_that_is_deleted_under_a_worker_stops_it(
    client_harness: KafkaHarness, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("workers.transport.grouped.TopicWatch", partial(TopicWatch, after_s=0.5))
    client_harness.settings = client_harness.settings.model_copy(update={"publish_deadline_ms": 2_000})
    settings = client_harness.settings
    client_harness.put(*TEN)
    transport = client_harness.member()
    pass_all_through(client_harness, [transport], count=10)
    gone = getattr(settings, name)
    if name != "input_topic":
        client_harness.put(*TEN)
    with admin_client(settings) as client:
        client.delete_topics([gone])
    output = settings.enriched_topic if name == "input_topic" else gone
    assert f"there is no topic {gone} at" in str(end_of(client_harness, transport, output))


def test_a_topic_that_takes_less_than_it_did_at_the_start_stops_the_worker(client_harness: KafkaHarness) -> None:
    """Not a dead letter: it would be refused as well, and all that follows."""
    topic = client_harness.settings.enriched_topic
    client_harness.put((b"key", os.urandom(5_000), ()))
    transport = client_harness.member()
    with admin_client(client_harness.settings) as client:
        client.alter_configs([ConfigResource("topic", topic, {"max.message.bytes": "1000"})])
    assert "max.message.bytes" in str(end_of(client_harness, transport, topic))
    assert client_harness.came_out() == []


def test_a_worker_that_came_back_under_its_name_since_it_read_reads_again(client_harness: KafkaHarness) -> None:
    """Thrown out and joined again, it is itself the newer member that fences its epoch: no reason to stop."""
    client_harness.put(*TEN)
    transport = client_harness.member()
    epoch = next_epoch(transport)
    client_harness.script.names_taken = 1
    assert isinstance(publish(client_harness, transport, epoch), PublishFailed)
    transport.rewind()
    pass_all_through(client_harness, [transport], count=10)
    assert len(client_harness.came_out()) == 10


def test_a_producer_that_is_fenced_is_replaced_and_its_epoch_read_again(client_harness: KafkaHarness) -> None:
    client_harness.put(*TEN)
    transport = client_harness.member()
    assert isinstance(transport, GroupTransport)
    epoch = next_epoch(transport)
    other = transactional_producer(client_harness.settings, transport._publisher._transactional_id, role="other")
    try:
        other.init_transactions()
    finally:
        other.close(timeout=5.0)
    assert isinstance(publish(client_harness, transport, epoch), PublishFailed)
    transport.rewind()
    pass_all_through(client_harness, [transport], count=10)
    assert len(client_harness.came_out()) == 10


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A broker that may be killed, and with rights that may be taken away."""
    if (home := kafka_home()) is None:
        pytest.skip("needs an Apache Kafka of its own, which may be killed: set KAFKA_HOME")
    rights = (
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found=true",
    )
    with ExitStack() as stack:
        yield Cluster.start(stack, tmp_path_factory.mktemp("kafka"), home, brokers=1, options=rights)


@pytest.fixture(params=CLIENTS)
def own_harness(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[KafkaHarness]:
    settings = kafka_settings_for(cluster.bootstrap_servers, name=uuid.uuid4().hex[:12])
    made = KafkaHarness(settings.model_copy(update={"client": request.param, "publish_deadline_ms": 2_000}))
    yield made
    made.close()


@pytest.mark.timeout(240)
def test_a_worker_outlives_its_only_broker(own_harness: KafkaHarness, cluster: Cluster) -> None:
    """Away during a transaction, and with it the coordinators of the group and of the transaction."""
    own_harness.put(*TEN)
    transport = own_harness.member()
    epoch = next_epoch(transport)
    own_harness.script.offsets_may_go.clear()
    under_way = transport.publish(epoch, passed_on(own_harness, epoch))
    cluster.kill(1)
    own_harness.script.offsets_may_go.set()
    assert isinstance(under_way.exception(30.0), PublishFailed)
    transport.rewind()
    for _ in range(10):
        try:
            assert transport.poll(LIMITS, timeout_s=0.1, accept=True) is None
        except DependencyError:
            transport.rewind()
    cluster.restart(1)
    wait_for_broker(cluster.bootstrap_servers)

    def published() -> bool | None:
        try:
            again = transport.poll(LIMITS, timeout_s=0.1, accept=True)
        except DependencyError:
            again = None
            transport.rewind()
        if again is not None and publish(own_harness, transport, again) is not None:
            transport.rewind()
        return len(own_harness.came_out()) >= 10 or None

    wait_until(published, "everything to come out")
    assert sorted(record.value or b"" for record in own_harness.came_out()) == [value for _, value, _ in TEN]


@pytest.mark.timeout(240)
def test_an_epoch_whose_transaction_timed_out_is_read_again(own_harness: KafkaHarness) -> None:
    """The broker ends it, for which it looks every 10 s, and fences its producer. Our deadline is below that time-out,
    so this needs a worker that stood still in between: here its deadline is far away."""
    own_harness.put(*TEN)
    own_harness.settings = own_harness.settings.model_copy(update={"transaction_timeout_ms": 3_000})
    transport = own_harness.member()
    assert isinstance(transport, GroupTransport)
    publisher, settings = transport._publisher, own_harness.settings
    epoch = next_epoch(transport)
    publisher._settings = settings.model_copy(update={"publish_deadline_ms": 60_000})
    own_harness.script.offsets_may_go.clear()
    under_way = transport.publish(epoch, passed_on(own_harness, epoch))
    wait_until(lambda: state_of(transport) == "Ongoing" or None, "a transaction")
    publisher._settings = settings
    wait_until(lambda: state_of(transport) != "Ongoing" or None, "the broker to end it")
    own_harness.script.offsets_may_go.set()
    assert isinstance(under_way.exception(30.0), PublishFailed)
    assert own_harness.came_out() == []
    transport.rewind()
    pass_all_through(own_harness, [transport], count=10)
    assert sorted(record.value or b"" for record in own_harness.came_out()) == [value for _, value, _ in TEN]


def state_of(transport: GroupTransport[Any]) -> str:
    """Of the worker's transaction, by the broker."""
    name = transport._publisher._transactional_id
    with admin_client(transport._settings) as client:
        return str(client.describe_transactions([name])[name].state.value)


@pytest.mark.parametrize("name", ["input_topic", "enriched_topic", "group_id", "transactional_id"])
@pytest.mark.timeout(240)
def test_a_right_that_is_taken_away_stops_the_worker(own_harness: KafkaHarness, cluster: Cluster, name: str) -> None:
    settings = own_harness.settings
    own_harness.put(*TEN)
    transport = own_harness.member()
    pass_all_through(own_harness, [transport], count=10)
    own_harness.put(*TEN)
    assert isinstance(transport, GroupTransport)
    resource, operation = {
        "input_topic": (ResourcePattern(ResourceType.TOPIC, settings.input_topic), ACLOperation.READ),
        "enriched_topic": (ResourcePattern(ResourceType.TOPIC, settings.enriched_topic), ACLOperation.WRITE),
        "group_id": (ResourcePattern(ResourceType.GROUP, settings.group_id), ACLOperation.READ),
        "transactional_id": (
            ResourcePattern(ResourceType.TRANSACTIONAL_ID, transport._publisher._transactional_id),
            ACLOperation.WRITE,
        ),
    }[name]
    with admin_client(settings) as client:
        client.create_acls([ACL("User:ANONYMOUS", "*", operation, ACLPermissionType.DENY, resource)])
    assert "grant this user the right" in str(end_of(own_harness, transport, settings.enriched_topic))
