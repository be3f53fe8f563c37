"""Documents to worker processes and their answers back, as a producer and a committed reader see it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.broker import send_all
from benchmarks.documents import Sample
from benchmarks.processes import Processes
from workers.errors import DependencyError
from workers.settings import KafkaSettings
from workers.transport.base import IncomingRecord
from workers.transport.kafka_reader import Poll

SILENCE_S = 180.0  # without an answer; a worker may be loading its model
POLL_S = 0.05


@dataclass(slots=True)
class Feed:
    """One input topic and a reader of its answers. Documents are numbered, and no number is used twice."""

    kafka: KafkaSettings
    poll: Poll
    workers: Processes
    sent: int = 0

    def take_numbers(self, count: int) -> int:
        """The first of so many new ones."""
        first = self.sent
        self.sent += count
        return first

    def answer_all(
        self,
        samples: Sequence[Sample],
        *,
        on_answers: Callable[[Sequence[IncomingRecord]], None] = lambda records: None,
    ) -> float:
        """Seconds from before the first is sent until all are answered.

        Raises DependencyError if answers stop, or one is a dead letter.
        """
        started_s = last_s = time.monotonic()
        send_all(self.kafka, samples, first=self.take_numbers(len(samples)))
        left = len(samples)
        while left > 0:
            records = self.poll(POLL_S)
            left -= len(records)
            if any(record.partition.topic == self.kafka.dead_topic for record in records):
                raise DependencyError("a document was dead-lettered: this measures nothing")
            on_answers(records)
            if records:
                last_s = time.monotonic()
            elif time.monotonic() - last_s > SILENCE_S:
                raise DependencyError(f"{left} of {len(samples)} documents were not answered")
            else:
                self.workers.require_alive()
        return time.monotonic() - started_s
