"""Worker processes that are started again whenever they end by themselves, as an orchestrator does it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import orjson

from tests.chaos.processes import Sections, ended, start_worker
from tests.chaos.verdict import NUMBER
from workers.settings import KafkaSettings
from workers.transport.base import IncomingRecord, OutgoingRecord
from workers.transport.kafka_reader import committed_reader

HAZARDS = (sys.executable, "-m", "tests.chaos.hazards")


def document(topic: str, number: int, text: str, *, keys: int = 50) -> OutgoingRecord:
    value = orjson.dumps({"id": str(number), "text": text, "language": "en"})
    return OutgoingRecord(topic, b"key-%d" % (number % keys), value, ((NUMBER, b"%d" % number),))


@dataclass
class Orchestrator:
    """Keeps so many workers alive. `static`: each has a name of its own that it keeps."""

    kafka: KafkaSettings
    folder: Path
    workers: int = 1
    static: bool = False
    sections: Sections = field(default_factory=dict)
    command: Sequence[str] = HAZARDS
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    exit_codes: list[int] = field(default_factory=list)  # of workers that ended by themselves
    starts: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, slot: int = 0) -> subprocess.Popen[bytes]:
        self.starts += 1
        self.processes[slot] = start_worker(
            self.command,
            self.kafka,
            self.sections,
            self.folder,
            slot=slot,
            number=self.starts,
            static=self.static,
            environment=self.environment,
            without=("ENRICH_",),
        )
        return self.processes[slot]

    def tend(self) -> None:
        """Start what is not there, or not there any more."""
        for slot in range(self.workers):
            process = self.processes.get(slot)
            if process is not None and (code := process.poll()) is not None:
                self.exit_codes.append(code)
            if process is None or process.poll() is not None:
                self.start(slot)

    def wait_for(self, phase: str, *, patience_s: float = 60.0) -> None:
        """Until the latest worker's log says that it reached it."""
        deadline_s = time.monotonic() + patience_s
        while f"reached {phase}" not in self.logs():
            assert time.monotonic() < deadline_s, f"{phase} was not reached: {self.logs()}"
            time.sleep(0.05)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            ended(process, within_s=30.0)

    def logs(self) -> str:
        return "\n".join(path.read_text()[-2_000:] for path in sorted(self.folder.glob("*.log")))


@contextmanager
def orchestrated(orchestrator: Orchestrator) -> Iterator[Orchestrator]:
    try:
        yield orchestrator
    finally:
        orchestrator.stop()


class Receive(Protocol):
    def __call__(self, count: int, tend: Callable[[], None], *, patience_s: float = 90.0) -> list[IncomingRecord]: ...


@contextmanager
def coming_out(kafka: KafkaSettings) -> Iterator[Receive]:
    """`receive(count, tend)` waits until so many records came out in all; `tend` is called all the while."""
    found: list[IncomingRecord] = []
    with committed_reader(kafka, (kafka.enriched_topic, kafka.dead_topic)) as poll:

        def receive(count: int, tend: Callable[[], None], *, patience_s: float = 90.0) -> list[IncomingRecord]:
            deadline_s = time.monotonic() + patience_s
            while len(found) < count:
                assert time.monotonic() < deadline_s, f"{len(found)} of {count} came out"
                tend()
                found.extend(poll(0.2))
            return found

        yield receive
