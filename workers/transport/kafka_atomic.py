"""Writes groups of records, each group all or nothing, with one writer per name at a time: a newer one ends the older.

For tools that run now and then. It commits no offsets and it never repairs itself: whoever may have been replaced must
not take the name back, so after any failure the writer is of no use any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kafka import KafkaProducer
from kafka.errors import InvalidProducerEpochError, ProducerFencedError

from workers.errors import DependencyError, PublishFailed
from workers.settings import KafkaSettings
from workers.transport.base import OutgoingRecord
from workers.transport.kafka_client import kafka_errors
from workers.transport.kafka_clients import initialise_timeout_s, transactional_producer
from workers.transport.kafka_lane import kafka_lane
from workers.transport.kafka_records import NO_VALUE
from workers.transport.lane import Lane

INIT_TRIES = 3  # initialising may hang like every transactional call of the client; a new producer then does it


@dataclass(frozen=True, slots=True)
class PlacedRecord:
    """A record and the partition it belongs to; where there is no such partition, or none is named, the key decides."""

    record: OutgoingRecord
    partition: int | None = None


Write = Callable[[Sequence[PlacedRecord]], None]


@contextmanager
def only_writer(
    settings: KafkaSettings, name: str, *, make_producer: Callable[..., KafkaProducer] = KafkaProducer
) -> Iterator[Write]:
    """Once this is entered every earlier writer of this `name` (the transactional id) has ended: what it wrote is
    committed or aborted for good, and it can commit nothing more. Each call of what is yielded is one transaction; it
    raises PublishFailed if the transaction did not commit or nobody can tell.
    """
    lane = _initialised(settings, name, make_producer)
    deadline_s = settings.publish_deadline_ms / 1000
    failed = False

    def write(records: Sequence[PlacedRecord]) -> None:
        nonlocal failed
        if failed:
            raise PublishFailed("this writer has failed before")
        try:
            lane.call(lambda producer: transact(producer, records, timeout_s=deadline_s), timeout_s=deadline_s)
        except Exception as error:
            failed = True
            raise PublishFailed(f"the transaction did not commit: {_reason(error, deadline_s)}") from error

    try:
        yield write
    finally:
        if failed:
            lane.throw_away()
        else:
            lane.close(timeout_s=2.0)


def transact(producer: KafkaProducer, records: Sequence[PlacedRecord], *, timeout_s: float) -> None:
    """Dying anywhere before the last line shows nothing."""
    deadline_s = time.monotonic() + timeout_s
    producer.begin_transaction()
    sent = [
        producer.send(
            placed.record.topic,
            partition=_existing(producer, placed),
            key=placed.record.key,
            value=NO_VALUE if placed.record.value is None else placed.record.value,
            headers=[(name, value or b"") for name, value in placed.record.headers],
        )
        for placed in records
    ]
    producer.flush(timeout=timeout_s)
    for future in sent:  # a send may fail without failing the transaction
        future.get(timeout=max(0.0, deadline_s - time.monotonic()))
    producer.commit_transaction()


def _existing(producer: KafkaProducer, placed: PlacedRecord) -> int | None:
    if placed.partition is None:
        return None
    return placed.partition if placed.partition in producer.partitions_for(placed.record.topic) else None


def _initialised(
    settings: KafkaSettings, name: str, make_producer: Callable[..., KafkaProducer]
) -> Lane[KafkaProducer]:
    timeout_s = initialise_timeout_s(settings)
    for attempt in range(1, INIT_TRIES + 1):
        lane = kafka_lane(lambda: transactional_producer(settings, name, role="atomic", make_producer=make_producer))
        try:
            with kafka_errors(f"making the only writer {name}"):
                lane.call(lambda producer: producer.init_transactions(), timeout_s=timeout_s)
        except DependencyError:
            lane.throw_away()
            if attempt == INIT_TRIES:
                raise
        except BaseException:
            lane.throw_away()
            raise
        else:
            return lane
    raise AssertionError("the last try returns or raises. This is a bug.")


def _reason(error: Exception, deadline_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no end within {deadline_s:g} s"
    # The client may wrap it in an error of its own.
    if any(isinstance(e, ProducerFencedError | InvalidProducerEpochError) for e in (error, *error.args)):
        return "another one was started meanwhile and took over"
    return f"{error}" or type(error).__name__
