"""What the notes beside committed offsets cost: `python -m benchmarks.notes`. Epochs with and without, in turns."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.services import find_kafka
from tests.transport.topics import kafka_settings_for
from workers.transport.base import Epoch, EpochLimits, OutgoingRecord, Partition
from workers.transport.kafka import KafkaTransport
from workers.transport.kafka_admin import produce

EPOCHS, RECORDS, PARTITIONS = 120, 128, 6
LIMITS = EpochLimits(RECORDS, 16_777_216)
VALUE = b"x" * 500


def main() -> int:
    source = find_kafka()
    if source is None:
        print("no broker was found, see tests/services.py", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        servers = source.start(stack, Path(tempfile.mkdtemp()))
        kafka = kafka_settings_for(servers, name=uuid.uuid4().hex[:8], partitions=PARTITIONS)
        produce(kafka, (OutgoingRecord(kafka.input_topic, b"%d" % n, VALUE) for n in range(EPOCHS * RECORDS)))
        transport = KafkaTransport(kafka)
        transport.start()
        stack.callback(transport.close, timeout_s=5.0)
        announced, spent = timed_epochs(transport, kafka.enriched_topic)
    with_ms, without_ms = statistics.median(spent[True]), statistics.median(spent[False])
    print(
        f"broker: {source.name}\n"
        f"{len(spent[True])} epochs of {RECORDS} records with notes: median {with_ms:.2f} ms a transaction; "
        f"{len(spent[False])} without: {without_ms:.2f} ms\n"
        f"announcements: {len(announced)}, {', '.join(f'{ms:.1f}' for ms in announced)} ms"
    )
    return 0


def timed_epochs(transport: KafkaTransport, topic: str) -> tuple[list[float], dict[bool, list[float]]]:
    """Milliseconds of each announcement that wrote something, and of each transaction, with notes and without."""
    announced: list[float] = []
    spent: dict[bool, list[float]] = {True: [], False: []}
    write = transport._deliveries.after
    for number in range(EPOCHS):
        epoch = next_epoch(transport)
        started_s = time.perf_counter()
        done = transport.announce(epoch)
        if not done.done():
            done.result(30.0)
            announced.append((time.perf_counter() - started_s) * 1000)
        noted = number % 2 == 0
        if not noted:
            setattr(transport._deliveries, "after", partial(without, write))  # noqa: B010  typed methods are not assigned to
        started_s = time.perf_counter()
        records = [OutgoingRecord(topic, record.key, record.value) for record in epoch.records]
        transport.publish(epoch, records).result(30.0)
        spent[noted].append((time.perf_counter() - started_s) * 1000)
        setattr(transport._deliveries, "after", write)  # noqa: B010
    return announced, spent


def without(write: Callable[..., object], *given: object, **named: object) -> dict[Partition, str]:
    write(*given, **named)
    return {}


def next_epoch(transport: KafkaTransport) -> Epoch:
    while (epoch := transport.poll(LIMITS, timeout_s=0.1, accept=True)) is None:
        pass
    return epoch


if __name__ == "__main__":
    sys.exit(main())
