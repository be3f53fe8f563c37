"""Follows a compacted topic: the last value of every key, told again with every change. Joins no group."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from workers.errors import ConfigurationError, EnrichError
from workers.settings import KafkaSettings
from workers.transport.base import IncomingRecord, Partition
from workers.transport.kafka_admin import missing_topics, read_all
from workers.transport.kafka_reader import committed_reader

log = logging.getLogger(__name__)

Told = Callable[[Mapping[bytes, bytes]], None]  # the last value of every key; keys with a tombstone are absent

POLL_S = 0.5
RETRY_S = 5.0  # between tries while the broker is away: what was last told stays in force


class LastValues:
    """Of every key, whatever is delivered twice. Owned by one thread at a time."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self._through: dict[Partition, int] = {}

    def take(self, records: Iterable[IncomingRecord]) -> bool:
        """Whether any was new."""
        new = False
        for record in records:
            if record.key is None or record.offset <= self._through.get(record.partition, -1):
                continue
            self._through[record.partition] = record.offset
            new = True
            if record.value is None:
                self.values.pop(record.key, None)
            else:
                self.values[record.key] = record.value
        return new


@contextmanager
def following(settings: KafkaSettings, topic: str, told: Told) -> Iterator[None]:
    """`told` is called here with what is on the topic now, and then by a thread of its own with every change.

    Raises ConfigurationError if there is no such topic, DependencyError if it cannot be read. Later failures are a
    warning, and the last values stay.
    """
    if missing_topics(settings, (topic,)):
        raise ConfigurationError(
            f"topic {topic} does not exist: start `enrich insights`, which makes it, or set calibration.follow to false"
        )
    last = LastValues()
    last.take(read_all(settings, [topic]))
    told(last.values)
    stopping = threading.Event()
    thread = threading.Thread(
        target=_follow, args=(settings, topic, last, told, stopping), name="follower", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(RETRY_S)


def _follow(settings: KafkaSettings, topic: str, last: LastValues, told: Told, stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            with committed_reader(settings, (topic,)) as poll:
                while not stopping.is_set():
                    if last.take(poll(POLL_S)):
                        told(last.values)
        except EnrichError as error:
            log.warning("what was last read of %s stays in force: %s", topic, error)
            stopping.wait(RETRY_S)
