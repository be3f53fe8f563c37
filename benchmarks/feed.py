"""Documents to worker processes and their answers back, as a producer and a committed reader see it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.broker import Broker, running_broker, send_all
from benchmarks.documents import Sample
from benchmarks.processes import Processes, worker_processes
from workers.errors import DependencyError
from workers.settings import KafkaSettings, Settings
from workers.transport.base import IncomingRecord
from workers.transport.kafka_reader import Poll, committed_reader

SILENCE_S = 180.0  # without an answer; a worker may be loading its model
POLL_S = 0.05


@contextmanager
def worker_fed(settings: Settings) -> Iterator[tuple[Feed, Broker]]:
    """`enrich worker` in a process of its own, on a broker of this run."""
    with ExitStack() as stack:
        broker = stack.enter_context(running_broker())
        kafka = broker.topics()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers = stack.enter_context(worker_processes(settings.model_copy(update={"kafka": kafka}), folder))
        poll = stack.enter_context(committed_reader(kafka, (kafka.enriched_topic, kafka.dead_topic)))
        yield Feed(kafka, poll, workers), broker


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
