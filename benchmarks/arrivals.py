"""Open-loop arrivals at a topic, and when their answers became visible: nobody waits for anybody.

A record's timestamp is the moment it was to be sent. A producer that falls behind is thus part of the latency, as it is
for whoever waits for the answer, and the arrivals of a slow system are not thinned out.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from kafka import KafkaProducer

from benchmarks.documents import Sample
from workers.errors import DependencyError
from workers.settings import KafkaSettings
from workers.transport.kafka_client import connection_options, open_client
from workers.transport.kafka_reader import Poll

SILENCE_S = 120.0  # without an answer: the worker is lost
POLL_S = 0.005


def poisson_times(rate_per_s: float, count: int, *, seed: int) -> list[float]:
    """Seconds from the start at which `count` arrivals happen, at so many a second on average."""
    chance = random.Random(seed)
    times, now_s = [], 0.0
    for _ in range(count):
        now_s += chance.expovariate(rate_per_s)
        times.append(now_s)
    return times


def percentile(values: Sequence[float], share: float) -> float:
    """Of the sorted values the first that at least this share is no larger than."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1_000) * len(ordered) // 1_000) - 1))]


@dataclass(slots=True)
class Arrivals:
    """Sends documents at given moments, on a thread of its own. Keys are consecutive numbers, never used twice."""

    kafka: KafkaSettings
    samples: Sequence[Sample]
    times_s: Sequence[float]
    first: int  # number of the first document
    sent_at_s: dict[bytes, float] = field(default_factory=dict)  # when each was due, seconds since 1970
    latest_s: float = 0.0  # by how much the producer itself was late, at worst

    def start(self) -> threading.Thread:
        begin_s = time.time() + 0.2
        due = {b"%d" % n: begin_s + at for n, at in enumerate(self.times_s, self.first)}
        self.sent_at_s.update(due)  # before the first answer can come
        thread = threading.Thread(target=self._run, args=(due,), name="arrivals", daemon=True)
        thread.start()
        return thread

    def _run(self, due: dict[bytes, float]) -> None:
        producer = open_client(
            KafkaProducer, **connection_options(self.kafka, role="arrivals"), acks="all", linger_ms=0
        )
        try:
            for number, (key, due_s) in enumerate(due.items()):
                time.sleep(max(0.0, due_s - time.time()))
                sample = self.samples[number % len(self.samples)]
                producer.send(self.kafka.input_topic, key=key, value=sample.value, timestamp_ms=round(due_s * 1_000))
                self.latest_s = max(self.latest_s, time.time() - due_s)
            producer.flush(timeout=60.0)
        finally:
            producer.close(timeout=10.0)


def latencies_of(arrivals: Arrivals, poll: Poll) -> list[float]:
    """Seconds from each document's timestamp until a committed reader had its answer, in the order of the answers.

    Raises DependencyError if answers stop coming.
    """
    thread = arrivals.start()
    found: dict[bytes, float] = {}
    last_s = time.monotonic()
    while len(found) < len(arrivals.times_s):
        records = poll(POLL_S)
        now_s = time.time()
        for record in records:
            if record.key in arrivals.sent_at_s:  # else it is an answer of an earlier run
                found[record.key] = now_s - arrivals.sent_at_s[record.key]
        if records:
            last_s = time.monotonic()
        elif time.monotonic() - last_s > SILENCE_S + arrivals.times_s[-1]:
            raise DependencyError(f"{len(found)} of {len(arrivals.times_s)} answers came, then none for long")
    thread.join(60.0)
    return list(found.values())
