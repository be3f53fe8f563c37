"""Starts worker processes on a real broker, kills and freezes them while they work, and judges what came out."""

from __future__ import annotations

import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml

from tests.chaos.verdict import Verdict, document, judge
from workers.settings import KafkaSettings
from workers.transport.kafka_admin import create_topics, produce, read_all
from workers.transport.kafka_reader import Poll, committed_reader

KEYS = 200
Client = Literal["kafka-python", "confluent"]
ECHO_WORKER = f"{sys.executable} -m tests.chaos.echo_worker"


@dataclass(frozen=True, slots=True)
class Plan:
    documents: int
    workers: int
    kills: int
    freezes: int
    command: str = ECHO_WORKER
    static: bool = False  # static membership: each worker keeps its name over a kill
    partitions: int = 6
    epoch_records: int = 32
    epoch_ms: int = 300
    freeze_s: float = 6.0  # twice the session time-out
    patience_s: float = 240.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Report:
    verdict: Verdict
    seconds: float
    faults: list[str]


@dataclass(slots=True)
class Fleet:
    """The worker processes, by slot."""

    plan: Plan
    settings: KafkaSettings
    folder: Path
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    starts: int = 0

    def start(self, slot: int) -> None:
        self.starts += 1
        kafka = self.settings.model_dump(mode="json", exclude_defaults=True)
        if self.plan.static:
            kafka["group_instance_id"] = f"worker-{slot}"
        config = self.folder / f"worker-{slot}.yaml"
        config.write_text(yaml.safe_dump({"kafka": kafka, "epoch": {"max_records": self.plan.epoch_records}}))
        ours = ("ENRICH_CONFIG", "ENRICH_KAFKA_", "ENRICH_EPOCH_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        environment |= {
            "ENRICH_CONFIG": str(config),
            "ENRICH_TELEMETRY__PORT": "0",
            "ECHO_EPOCH_MS": str(self.plan.epoch_ms),
        }
        with (self.folder / f"worker-{slot}.{self.starts}.log").open("wb") as output:
            self.processes[slot] = subprocess.Popen(
                shlex.split(self.plan.command), env=environment, stdout=output, stderr=output
            )

    def kill(self, slot: int) -> None:
        self.processes[slot].kill()
        self.processes[slot].wait()
        self.start(slot)

    def freeze(self, slot: int) -> None:
        self.processes[slot].send_signal(signal.SIGSTOP)
        time.sleep(self.plan.freeze_s)
        self.processes[slot].send_signal(signal.SIGCONT)

    def died(self) -> list[int]:
        return [slot for slot, process in self.processes.items() if process.poll() is not None]

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(slots=True)
class Visible:
    """Counts what an exact reader has seen so far."""

    poll: Poll
    count: int = 0

    def wait_for(self, count: int, fleet: Fleet) -> None:
        """A loss shows as patience running out; the verdict says how much of it."""
        deadline_s = time.monotonic() + fleet.plan.patience_s
        while self.count < count and time.monotonic() < deadline_s:
            self.count += len(self.poll(0.3))
            if died := fleet.died():
                raise RuntimeError(f"workers {died} ended by themselves: see the logs in {fleet.folder}")


def chaos_settings(bootstrap_servers: str, name: str, *, client: Client = "kafka-python") -> KafkaSettings:
    """Time-outs as short as brokers allow, so that a freeze is over soon and so is what a kill leaves open."""
    return KafkaSettings(
        client=client,
        bootstrap_servers=bootstrap_servers,
        input_topic=f"chaos-{name}",
        enriched_topic=f"chaos-{name}.enriched",
        dead_topic=f"chaos-{name}.dead",
        group_id=f"chaos-{name}",
        session_timeout_ms=3_000,
        heartbeat_interval_ms=500,
        transaction_timeout_ms=6_000,
        publish_deadline_ms=4_000,
        request_timeout_ms=4_000,
    )


def run(plan: Plan, settings: KafkaSettings, folder: Path, *, say: Callable[[str], None] = lambda line: None) -> Report:
    """Faults come one after another, each when its share of the documents has come out. `folder` gets the logs."""
    outputs = (settings.enriched_topic, settings.dead_topic)
    create_topics(settings, (settings.input_topic, *outputs), partitions=plan.partitions)
    produce(settings, (document(settings.input_topic, number, keys=KEYS) for number in range(plan.documents)))
    chance = random.Random(plan.seed)
    faults = ["kill"] * plan.kills + ["freeze"] * plan.freezes
    chance.shuffle(faults)
    happened: list[str] = []
    fleet = Fleet(plan, settings, folder)
    with committed_reader(settings, outputs) as poll:
        visible = Visible(poll)
        started_s = time.monotonic()
        try:
            for slot in range(plan.workers):
                fleet.start(slot)
            for number, fault in enumerate(faults, 1):
                # Half of the work is left after the last fault, so that there is something to get wrong.
                visible.wait_for(plan.documents * number // (2 * len(faults) + 1), fleet)
                slot = chance.randrange(plan.workers)
                say(f"{time.monotonic() - started_s:6.1f} s  {fault} worker {slot}")
                happened.append(f"{fault} {slot}")
                fleet.kill(slot) if fault == "kill" else fleet.freeze(slot)
            visible.wait_for(plan.documents, fleet)
            seconds = time.monotonic() - started_s
        finally:
            fleet.stop()
    return Report(
        judge(read_all(settings, outputs, timeout_s=120.0), sent=plan.documents, dead_topic=settings.dead_topic),
        seconds,
        happened,
    )
