"""What the two Kafka clients cost on the same broker: plain producing and reading, and the transport's own epochs.

    python -m benchmarks.kafka_clients [--records 20000] [--turns 5]

From the repository's folder; the broker is found as for the tests (tests/services.py). The clients take turns; each
turn has topics of its own. Prints medians over the turns: records a second, microseconds of this process's own time per
record (which another load on the machine disturbs less), and the ratio of each, taken turn by turn.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import confluent_kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from tests.services import find_kafka
from workers.settings import KafkaSettings
from workers.transport.base import EpochLimits, OutgoingRecord
from workers.transport.clients import open_transport
from workers.transport.kafka_admin import create_topics, produce

Client = Literal["kafka-python", "confluent"]
CLIENTS: tuple[Client, Client] = ("kafka-python", "confluent")
VALUE = bytes(range(250)) * 2  # 500 bytes
PARTITIONS = 6
PATIENCE_S = 120.0


@dataclass(slots=True)
class Spent:
    """One measurement; filled when its block ends."""

    records: int
    wall_s: float = 0.0
    own_s: float = 0.0  # of this process, all threads

    @property
    def rate(self) -> float:
        return self.records / self.wall_s

    @property
    def own_us(self) -> float:
        """Microseconds of this process for a record."""
        return self.own_s / self.records * 1e6


@dataclass(slots=True)
class Table:
    records: int
    spent: dict[tuple[str, Client], list[Spent]] = field(default_factory=dict)

    def add(self, what: str, client: Client, spent: Spent) -> None:
        self.spent.setdefault((what, client), []).append(spent)

    def lines(self) -> Iterator[str]:
        for what in dict.fromkeys(what for what, _ in self.spent):
            slow, fast = (self.spent[what, client] for client in CLIENTS)
            rates = [statistics.median(spent.rate for spent in turns) for turns in (slow, fast)]
            own = [statistics.median(spent.own_us for spent in turns) for turns in (slow, fast)]
            faster = statistics.median(b.rate / a.rate for a, b in zip(slow, fast, strict=True))
            cheaper = statistics.median(a.own_us / b.own_us for a, b in zip(slow, fast, strict=True))
            yield (
                f"{what:26} {rates[0]:9,.0f} /s {rates[1]:9,.0f} /s  x {faster:4.1f}   "
                f"{own[0]:6.1f} us {own[1]:6.1f} us  x {cheaper:4.1f}"
            )


@contextmanager
def measured(spent: Spent) -> Iterator[None]:
    wall_s, own_s = time.perf_counter(), time.process_time()
    yield
    spent.wall_s, spent.own_s = time.perf_counter() - wall_s, time.process_time() - own_s


def keys(records: int) -> Iterator[bytes]:
    return (b"key-%d" % (number % 200) for number in range(records))


def produce_kafka_python(settings: KafkaSettings, records: int) -> Spent:
    spent = Spent(records)
    producer = KafkaProducer(
        bootstrap_servers=settings.bootstrap_servers, acks="all", linger_ms=5, compression_type="lz4"
    )
    producer.partitions_for(settings.input_topic)
    with measured(spent):
        for key in keys(records):
            producer.send(settings.input_topic, key=key, value=VALUE)
        producer.flush(PATIENCE_S)
    producer.close()
    return spent


def produce_confluent(settings: KafkaSettings, records: int) -> Spent:
    spent = Spent(records)
    options = {"bootstrap.servers": settings.bootstrap_servers, "acks": "all", "linger.ms": 5}
    producer = confluent_kafka.Producer(options | {"compression.type": "lz4", "partitioner": "murmur2_random"})
    producer.list_topics(settings.input_topic, timeout=10.0)
    with measured(spent):
        for key in keys(records):
            producer.produce(settings.input_topic, key=key, value=VALUE)
            producer.poll(0)
        producer.flush(PATIENCE_S)
    return spent


def consume_kafka_python(settings: KafkaSettings, records: int) -> Spent:
    spent = Spent(records)
    consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap_servers, enable_auto_commit=False)
    partitions = [TopicPartition(settings.input_topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    read_again(
        spent,
        lambda: consumer.seek_to_beginning(*partitions),
        lambda: sum(map(len, consumer.poll(timeout_ms=200, max_records=500).values())),
    )
    consumer.close()
    return spent


def consume_confluent(settings: KafkaSettings, records: int) -> Spent:
    spent = Spent(records)
    options = {"bootstrap.servers": settings.bootstrap_servers, "group.id": "none", "enable.auto.commit": False}
    consumer = confluent_kafka.Consumer(options)
    starts = [confluent_kafka.TopicPartition(settings.input_topic, number, 0) for number in range(PARTITIONS)]
    consumer.assign(starts)

    def rewind() -> None:
        for start in starts:
            consumer.seek(start)

    read_again(spent, rewind, lambda: len(consumer.consume(1, 0.2)) + len(consumer.consume(499, 0.0)))
    consumer.close()
    return spent


def read_again(spent: Spent, rewind: Callable[[], None], take: Callable[[], int]) -> None:
    """All records once, which connects, and once more, which is measured: seeking drops what was fetched ahead."""
    until(spent.records, take)
    with measured(spent):
        rewind()
        until(spent.records, take)


def until(records: int, take: Callable[[], int]) -> int:
    """At least so many; returns how many."""
    taken, deadline_s = 0, time.monotonic() + PATIENCE_S
    while taken < records:
        taken += take()
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{taken} of {records} records came in {PATIENCE_S:g} s")
    return taken


def epochs(settings: KafkaSettings, records: int, *, epoch_records: int) -> Spent:
    """The transport's own loop with nothing between reading and publishing; the first epoch, with its join, is not
    counted."""
    spent, limits = Spent(records), EpochLimits(epoch_records, 16_777_216)
    produce(settings, (OutgoingRecord(settings.input_topic, key, VALUE) for key in keys(records + epoch_records)))
    transport = open_transport(settings)
    transport.start()
    publishing: Future[None] | None = None

    def take() -> int:
        nonlocal publishing
        epoch = transport.poll(limits, timeout_s=0.05, accept=True)
        if epoch is None:
            return 0
        out = [OutgoingRecord(settings.enriched_topic, r.key, r.value, r.headers) for r in epoch.records]
        if publishing is not None:
            publishing.result(PATIENCE_S)
        publishing = transport.publish(epoch, out)
        return len(out)

    try:
        until(1, take)
        with measured(spent):
            until(records, take)
            if publishing is not None:
                publishing.result(PATIENCE_S)
    finally:
        transport.close(timeout_s=10.0)
    return spent


def settings_for(bootstrap_servers: str, client: Client) -> KafkaSettings:
    name = f"bench-{uuid.uuid4().hex[:8]}"
    settings = KafkaSettings(
        client=client,
        bootstrap_servers=bootstrap_servers,
        input_topic=name,
        enriched_topic=f"{name}.out",
        dead_topic=f"{name}.dead",
        group_id=name,
    )
    create_topics(settings, (settings.input_topic, settings.enriched_topic, settings.dead_topic), partitions=PARTITIONS)
    return settings


def turn(bootstrap_servers: str, client: Client, table: Table) -> None:
    produces = {"kafka-python": produce_kafka_python, "confluent": produce_confluent}
    consumes = {"kafka-python": consume_kafka_python, "confluent": consume_confluent}
    settings = settings_for(bootstrap_servers, client)
    table.add("produce", client, produces[client](settings, table.records))
    table.add("consume", client, consumes[client](settings, table.records))
    for epoch_records in (128, 1_024):
        spent = epochs(settings_for(bootstrap_servers, client), table.records, epoch_records=epoch_records)
        table.add(f"epochs of {epoch_records:,} records", client, spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    source = find_kafka()
    if source is None:
        parser.error("no broker was found, see tests/services.py")
    table = Table(arguments.records)
    with ExitStack() as stack:
        address = source.start(stack, Path(tempfile.mkdtemp(prefix="bench-")) / "kafka")
        for number in range(arguments.turns):
            for client in CLIENTS if number % 2 == 0 else CLIENTS[::-1]:
                turn(address, client, table)
    print(f"{source.name}; {arguments.records:,} records of {len(VALUE)} bytes, {arguments.turns} turns each")
    print(f"{'':26} {'kafka-python':>12} {'confluent':>12}  ratio   {'own time per record':>19}  ratio")
    for line in table.lines():
        print(line)


if __name__ == "__main__":
    main()
