"""A rolling restart under a steady load: is anything lost or doubled, and how long does each partition stand still?

`python -m tests.chaos.rolling`: each worker in turn gets SIGTERM and is started again under its own group instance id,
as a StatefulSet does it. Time-outs are the product's own. A pause is the longest time between two moments at which
records of one partition became visible to an exact reader while documents kept coming; it is printed beside that of the
calm seconds before, which is the price of epochs and not of restarts.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from kafka import KafkaProducer
from kafka.errors import KafkaError

from tests.chaos.fleet import Fleet
from tests.chaos.plan import Plan
from tests.chaos.settings import rolling_settings
from tests.chaos.verdict import Verdict, document, judge
from tests.services import find_kafka
from workers.settings import KafkaSettings
from workers.transport.kafka_admin import admin_client, create_topics, read_all
from workers.transport.kafka_client import connection_options
from workers.transport.kafka_reader import committed_reader
from workers.transport.kafka_records import send

ALL_BACK_S = 120.0  # for a worker to load its model, join and be given its partitions


@dataclass(frozen=True, slots=True)
class Restart:
    """One worker's turn, in seconds."""

    slot: int
    drain_s: float  # SIGTERM until the process has ended
    back_s: float  # its start until the group is complete and stable again
    pause_s: float  # of the partition that stood still longest meanwhile


@dataclass(frozen=True, slots=True)
class Report:
    verdict: Verdict
    restarts: list[Restart]
    calm_pause_s: float  # before the first restart

    @property
    def longest_pause_s(self) -> float:
        return max(restart.pause_s for restart in self.restarts)


@dataclass(slots=True)
class Arrivals:
    """When records of each partition became visible, on one clock. Written by one thread, read by another."""

    times_s: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def longest_gap_s(self, since_s: float, until_s: float) -> float:
        """Between neighbours, one of which at least lies in the span; over all partitions."""
        return max(self._gaps(since_s, until_s), default=until_s - since_s)

    def _gaps(self, since_s: float, until_s: float) -> Iterator[float]:
        for times_s in list(self.times_s.values()):
            known = list(times_s)
            for earlier, later in pairwise(known):
                if later >= since_s and earlier <= until_s:
                    yield later - earlier


@dataclass(slots=True)
class Load:
    """A producer at a steady rate, and a reader that notes what comes out; a thread each."""

    settings: KafkaSettings
    per_second: float
    sent: int = 0
    seen: int = 0
    arrivals: Arrivals = field(default_factory=Arrivals)
    _producing: threading.Event = field(default_factory=threading.Event)
    _watching: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[Load]:
        threads = [threading.Thread(target=self._produce), threading.Thread(target=self._watch)]
        self._producing.set()
        self._watching.set()
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._producing.clear()
            self._watching.clear()
            for thread in threads:
                thread.join(30.0)

    def finish(self, patience_s: float) -> None:
        """Send no more, and wait until all that was sent has come out; a loss shows as patience running out."""
        self._producing.clear()
        deadline_s = time.monotonic() + patience_s
        while self.seen < self.sent and time.monotonic() < deadline_s:
            time.sleep(0.2)

    def _produce(self) -> None:
        producer = KafkaProducer(**connection_options(self.settings, role="source"), acks="all", linger_ms=5)
        try:
            started_s = time.monotonic()
            while self._producing.is_set():
                due = int((time.monotonic() - started_s) * self.per_second)
                for number in range(self.sent, due):
                    send(producer, document(self.settings.input_topic, number))
                self.sent = max(self.sent, due)
                time.sleep(0.02)
            producer.flush(timeout=30.0)
        finally:
            producer.close(timeout=10.0)

    def _watch(self) -> None:
        # Keys are spread over the enriched topic's partitions as over those of the input: as many, by the same hash.
        with committed_reader(self.settings, (self.settings.enriched_topic, self.settings.dead_topic)) as poll:
            while self._watching.is_set():
                records = poll(0.05)
                now_s = time.monotonic()
                self.seen += len(records)
                for partition in {record.partition.number for record in records}:
                    self.arrivals.times_s[partition].append(now_s)


def run(plan: Plan, settings: KafkaSettings, folder: Path, *, per_second: float, calm_s: float) -> Report:
    """`calm_s` is the time before the first restart, and between a group that is whole again and the next one."""
    outputs = (settings.enriched_topic, settings.dead_topic)
    create_topics(settings, (settings.input_topic, *outputs), partitions=plan.partitions)
    fleet = Fleet(plan, lambda slot: settings, folder)
    try:
        for slot in range(plan.workers):
            fleet.start(slot)
        wait_until_whole(settings, plan.workers, fleet)
        with Load(settings, per_second).running() as load:
            wait_for_first(load, plan)
            calm_from_s = time.monotonic()
            time.sleep(calm_s)
            calm_pause_s = load.arrivals.longest_gap_s(calm_from_s, time.monotonic())
            restarts = [restart(slot, fleet, settings, load, calm_s=calm_s) for slot in range(plan.workers)]
            load.finish(plan.patience_s)
    finally:
        fleet.end()
    records = read_all(settings, outputs, timeout_s=120.0)
    put_in = read_all(settings, (settings.input_topic,), timeout_s=120.0)
    return Report(judge(put_in, records, dead_topic=settings.dead_topic), restarts, calm_pause_s)


def restart(slot: int, fleet: Fleet, settings: KafkaSettings, load: Load, *, calm_s: float) -> Restart:
    started_s = time.monotonic()
    fleet.processes[slot].send_signal(signal.SIGTERM)
    fleet.processes[slot].wait(fleet.plan.patience_s)
    ended_s = time.monotonic()
    fleet.start(slot)
    wait_until_whole(settings, fleet.plan.workers, fleet)
    back_s = time.monotonic() - ended_s
    time.sleep(calm_s)  # the last step of a cooperative rebalance is after the group is stable
    pause_s = load.arrivals.longest_gap_s(started_s, time.monotonic())
    return Restart(slot, ended_s - started_s, back_s, pause_s)


def wait_until_whole(settings: KafkaSettings, workers: int, fleet: Fleet) -> None:
    """Until the group is stable and every worker is in it with partitions."""
    deadline_s = time.monotonic() + ALL_BACK_S
    with admin_client(settings) as admin:
        while time.monotonic() < deadline_s:
            if died := [slot for slot, process in fleet.processes.items() if process.poll() is not None]:
                raise RuntimeError(f"workers {died} ended by themselves: see the logs in {fleet.folder}")
            with suppress(KafkaError):  # a young broker has no coordinator yet
                group = admin.describe_groups([settings.group_id])[settings.group_id]
                named = {member["group_instance_id"] for member in group["members"]}
                if group["group_state"] == "Stable" and len(named) == workers:
                    return
            time.sleep(0.1)
    raise TimeoutError(f"the group was not whole within {ALL_BACK_S:g} s: see the logs in {fleet.folder}")


def wait_for_first(load: Load, plan: Plan) -> None:
    """Until every partition has given something."""
    deadline_s = time.monotonic() + plan.patience_s
    while len(load.arrivals.times_s) < plan.partitions:
        if time.monotonic() > deadline_s:
            raise TimeoutError("not every partition gave a record")
        time.sleep(0.1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--per-second", type=float, default=30.0, help="documents sent a second")
    parser.add_argument("--calm-s", type=float, default=6.0, help="seconds before and between restarts")
    parser.add_argument("--longest-pause-s", type=float, default=3.0, help="what is still good")
    parser.add_argument("--client", choices=["kafka-python", "confluent"], default="kafka-python")
    parser.add_argument("--command", default=f"{sys.executable} -m workers.cli.main worker", help="what a worker is")
    arguments = parser.parse_args()
    source = find_kafka()
    if source is None:
        print("no broker was found, see tests/services.py", file=sys.stderr)
        return 2
    plan = Plan(0, arguments.workers, {}, arguments.command, static=True, partitions=arguments.partitions, epoch_ms=50)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="rolling-"))
        print(f"broker: {source.name}\nlogs: {folder}")
        address = source.start(stack, folder / "kafka")
        settings = rolling_settings(address, uuid.uuid4().hex[:8], client=arguments.client)
        report = run(plan, settings, folder, per_second=arguments.per_second, calm_s=arguments.calm_s)
    for turn in report.restarts:
        print(
            f"worker {turn.slot}: ended {turn.drain_s:.1f} s after SIGTERM, back in the group {turn.back_s:.1f} s "
            f"after its start; longest pause of a partition {turn.pause_s:.1f} s"
        )
    verdict = report.verdict
    print(
        f"{verdict.sent} documents, {plan.workers} workers restarted one after another, {arguments.client}: "
        f"{verdict.lost} lost, {verdict.duplicated} duplicated, {verdict.out_of_order} out of order, "
        f"longest pause {report.longest_pause_s:.1f} s, {report.calm_pause_s:.1f} s in calm"
    )
    return 0 if verdict.exact and report.longest_pause_s <= arguments.longest_pause_s else 1


if __name__ == "__main__":
    sys.exit(main())
