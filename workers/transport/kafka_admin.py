"""Topics and plain records for everybody who is not the worker: the start-up check, the demo, the tests.

Each function opens a client and closes it. Nothing here is transactional or owns a group.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as kafka
from kafka.admin import ConfigResource

from workers.errors import ConfigurationError, DependencyError
from workers.settings import KafkaSettings
from workers.transport.base import IncomingRecord, OutgoingRecord, Partition
from workers.transport.broker import require_record_limit, topics_denied
from workers.transport.kafka_client import connection_options, kafka_errors, kafka_partition, open_client
from workers.transport.kafka_clients import ungrouped_reader
from workers.transport.kafka_records import NullableValues, incoming_record, send

UNKNOWN_TOPIC = 3
TOPIC_DENIED = 29


@contextmanager
def admin_client(settings: KafkaSettings) -> Iterator[KafkaAdminClient]:
    with kafka_errors(f"reaching Kafka at {settings.bootstrap_servers}"):
        client = open_client(KafkaAdminClient, **connection_options(settings, role="admin"))
    try:
        yield client
    finally:
        client.close()


def reachable(settings: KafkaSettings) -> bool:
    """Whether a broker answers within `connect_timeout_ms`."""
    try:
        missing_topics(settings, ())
    except DependencyError:
        return False
    return True


def missing_topics(settings: KafkaSettings, topics: Sequence[str]) -> tuple[str, ...]:
    """Those of `topics` that do not exist. Raises ConfigurationError for one this user may not see."""
    with admin_client(settings) as client, kafka_errors("looking for topics"):
        if not topics:
            client.list_topics()
            return ()
        described = {topic["name"]: topic["error_code"] for topic in client.describe_topics(list(topics))}
    denied = [topic for topic in topics if described.get(topic) == TOPIC_DENIED]
    if denied:
        raise topics_denied(denied)
    return tuple(topic for topic in topics if described.get(topic, UNKNOWN_TOPIC) == UNKNOWN_TOPIC)


def create_topics(
    settings: KafkaSettings,
    topics: Sequence[str],
    *,
    partitions: int,
    replication: int = -1,
    options: Mapping[str, str] | None = None,
) -> None:
    """Make what is not there yet and wait until it has leaders. `replication` -1 is the broker's default; `options` are
    the broker's own, such as `cleanup.policy`."""
    absent = missing_topics(settings, topics)
    if not absent:
        return
    with admin_client(settings) as client, kafka_errors("creating topics"):
        made = {"num_partitions": partitions, "replication_factor": replication, "configs": dict(options or {})}
        wanted = dict.fromkeys(absent, made)
        with suppress(kafka.TopicAlreadyExistsError):  # somebody else was faster
            client.create_topics(wanted)
        client.wait_for_topics(list(absent), timeout_ms=settings.connect_timeout_ms)


def check_record_limit(settings: KafkaSettings, max_record_bytes: int) -> None:
    """Raises ConfigurationError if an output topic takes no records of `max_record_bytes`."""
    require_record_limit(settings, max_record_bytes, partial(topic_option, settings))


def topic_option(settings: KafkaSettings, topic: str, option: str) -> str:
    """What the broker has for an option of a topic, its default included."""
    with admin_client(settings) as client, kafka_errors(f"reading {option} of {topic}"):
        described = client.describe_configs([ConfigResource("topic", topic)], config_filter="all")
        return str(described["topic"][topic][option]["value"])


def group_members(settings: KafkaSettings) -> frozenset[str]:
    """The ids of those who are in the group now."""
    with admin_client(settings) as client, kafka_errors(f"describing the group {settings.group_id}"):
        described = client.describe_groups([settings.group_id])[settings.group_id]
        if described.get("error") is not None:
            raise DependencyError(f"the group {settings.group_id} could not be described: {described['error']}")
        return frozenset(str(member["member_id"]) for member in described["members"])


def delete_before(settings: KafkaSettings, offsets: Mapping[Partition, int]) -> None:
    """Delete the records in front of these offsets, for good. Raises ConfigurationError where the topic forbids it."""
    with admin_client(settings) as client, kafka_errors("deleting records"):
        try:
            client.delete_records({kafka_partition(partition): offset for partition, offset in offsets.items()})
        except kafka.PolicyViolationError as error:
            raise ConfigurationError(f"{error}: the topic's cleanup.policy must contain `delete`") from error


def produce(settings: KafkaSettings, records: Iterable[OutgoingRecord]) -> int:
    """Write plain records, acknowledged by all replicas; the partition follows from the key. Returns their number."""
    with kafka_errors("producing"):
        producer = open_client(
            KafkaProducer,
            **connection_options(settings, role="source"),
            acks="all",
            linger_ms=5,
            value_serializer=NullableValues(),
            metrics_enabled=False,
        )
        try:
            sent = [send(producer, record) for record in records]
            producer.flush(timeout=60.0)
            for future in sent:
                future.get(timeout=10.0)
        finally:
            producer.close(timeout=10.0)
    return len(sent)


def read_all(settings: KafkaSettings, topics: Sequence[str], *, timeout_s: float = 30.0) -> list[IncomingRecord]:
    """Everything committed in `topics`, partition by partition, up to this moment: what an exact reader sees.

    Raises DependencyError if that cannot be read within `timeout_s`. Records of a transaction still open are not there.
    """
    with kafka_errors("reading"):
        consumer = ungrouped_reader(settings)
        try:
            return read_assigned(consumer, topics, timeout_s=timeout_s)
        finally:
            consumer.close(autocommit=False)


def read_assigned(consumer: KafkaConsumer, topics: Sequence[str], *, timeout_s: float) -> list[IncomingRecord]:
    partitions = [TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    consumer.seek_to_beginning(*partitions)
    found: list[IncomingRecord] = []
    deadline_s = time.monotonic() + timeout_s
    while any((consumer.position(partition) or 0) < ends[partition] for partition in partitions if ends[partition]):
        for records in consumer.poll(timeout_ms=200, max_records=5_000).values():
            found.extend(incoming_record(record) for record in records)
        if time.monotonic() > deadline_s:
            raise DependencyError(f"{', '.join(topics)} could not be read to the end within {timeout_s:g} s")
    ends_of = {(partition.topic, partition.partition): end for partition, end in ends.items()}
    return [record for record in found if record.offset < ends_of[record.partition.topic, record.partition.number]]
