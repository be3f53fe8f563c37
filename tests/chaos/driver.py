"""Starts worker processes on a real broker, lets faults happen to them while they work, and judges what came out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.cluster import Cluster
from tests.chaos.feed import Feed
from tests.chaos.fleet import Fleet
from tests.chaos.plan import CLUSTER, NETWORK, Fault, Kind, Plan
from tests.chaos.recovery import Injected, Recovery, recoveries
from tests.chaos.verdict import Verdict, judge, number_of
from workers.errors import DependencyError
from workers.settings import KafkaSettings
from workers.transport.kafka_admin import create_topics, read_all
from workers.transport.kafka_reader import Poll, committed_reader

Say = Callable[[str], None]
READING_S = 300.0  # to read everything at the end
EVERY_BROKER = 0
IN_SYNC_S = 120.0  # for a broker that came back to have what it missed; until then no second one may die


@dataclass(frozen=True, slots=True)
class Report:
    verdict: Verdict
    seconds: float
    recoveries: list[Recovery]
    exits: list[tuple[int, int]]  # slot and exit code of workers that ended by themselves and were started again
    hung: int  # workers that did not end on SIGTERM
    held_up_s: float  # the longest that the machine had no time for the driver itself


@dataclass(slots=True)
class Injector:
    """Lets the faults of the schedule happen, one after the other, on a thread of its own."""

    plan: Plan
    settings: KafkaSettings
    fleet: Fleet
    feed: Feed
    cluster: Cluster | None
    say: Say
    injected: list[Injected] = field(default_factory=list)
    problem: Exception | None = None
    _ending: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        schedule = self.plan.schedule()
        started_s = time.monotonic()
        try:
            for number, fault in enumerate(schedule):
                self.pace(schedule[number:], started_s, number)
                if self._ending.wait(fault.pause_s):
                    return
                at_s = time.time()
                self.say(f"{time.monotonic() - started_s:6.1f} s  {fault.kind} {fault.target}, {self.feed.sent} sent")
                self.inject(fault)
                self.injected.append(Injected(fault, at_s, time.time()))
            self.feed.last_for(0.0)
        except Exception as error:  # noqa: BLE001  boundary: the watching thread tells it
            self.problem = error

    def end(self) -> None:
        self._ending.set()

    def pace(self, left: list[Fault], started_s: float, done: int) -> None:
        """Let the documents last as long as the faults: by what was expected, corrected by what it took so far."""
        expected_s = sum(map(self.plan.expected_s, left))
        past_s = sum(self.plan.expected_s(happened.fault) for happened in self.injected)
        slower = (time.monotonic() - started_s) / past_s if done else 1.0
        self.feed.last_for(expected_s * slower + self.plan.pause_s[1])

    def inject(self, fault: Fault) -> None:
        hold_s = self.plan.hold_s.get(fault.kind, 0.0)
        if fault.kind is Kind.KILL:
            self.fleet.kill(fault.target)
        elif fault.kind is Kind.MEMBER:
            self.fleet.kill_member(fault.target)
        elif fault.kind is Kind.STOP:
            self.fleet.stop(fault.target)
        elif fault.kind is Kind.FREEZE:
            self.fleet.freeze(fault.target, hold_s)
        elif fault.kind in NETWORK:
            self.disturb(fault, hold_s)
        else:
            self.bring_down(EVERY_BROKER if fault.kind is Kind.OUTAGE else fault.target, hold_s)

    def disturb(self, fault: Fault, hold_s: float) -> None:
        assert self.cluster is not None
        network = self.cluster.networks[fault.target]
        if fault.kind is Kind.CUT:
            network.cut()
        elif fault.kind is Kind.HOLE:
            network.swallow()
        else:
            network.delay(self.plan.delay_s)
        time.sleep(hold_s)
        network.heal()

    def bring_down(self, broker: int, hold_s: float) -> None:
        assert self.cluster is not None
        if broker == EVERY_BROKER:
            self.cluster.kill_all()
            time.sleep(hold_s)
            self.cluster.restart_all()
        else:
            self.cluster.kill(broker)
            time.sleep(hold_s)
            self.cluster.restart(broker)
        deadline_s = time.monotonic() + IN_SYNC_S
        topics = (self.settings.input_topic, self.settings.enriched_topic, self.settings.dead_topic)
        while not self.cluster.in_sync(self.settings, topics):
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"broker {broker} has not caught up within {IN_SYNC_S:g} s")
            time.sleep(0.3)


@dataclass(slots=True)
class Watch:
    """What an exact reader has seen so far."""

    poll: Poll
    numbers: set[int] = field(default_factory=set)
    seen_s: list[float] = field(default_factory=list)  # seconds since 1970

    def look(self) -> bool:
        """Whether anything came. That its broker is gone is no reason to stop: it goes on when there is a leader."""
        try:
            records = self.poll(0.2)
        except DependencyError:
            time.sleep(0.2)
            return False
        if records:
            self.seen_s.append(time.time())
            self.numbers.update(map(number_of, records))
        return bool(records)


def run(
    plan: Plan, settings: KafkaSettings, folder: Path, *, cluster: Cluster | None = None, say: Say = lambda line: None
) -> Report:
    """`folder` gets the logs. Without a cluster nothing can happen to brokers and networks."""
    if cluster is None and any(plan.faults.get(kind) for kind in NETWORK | CLUSTER):
        raise ValueError("faults of brokers and networks need a cluster: set KAFKA_HOME, or leave them out")
    outputs = (settings.enriched_topic, settings.dead_topic)
    create_topics(settings, (settings.input_topic, *outputs), partitions=plan.partitions)

    def settings_of(slot: int) -> KafkaSettings:
        servers = settings.bootstrap_servers if cluster is None else cluster.bootstrap_servers_of(slot)
        return settings.model_copy(update={"bootstrap_servers": servers})

    fleet = Fleet(plan, settings_of, folder)
    feed = Feed(settings, plan.documents)
    injector = Injector(plan, settings, fleet, feed, cluster, say)
    started_s = time.monotonic()
    with committed_reader(settings, outputs) as poll:
        watch = Watch(poll)
        try:
            for slot in range(plan.workers):
                fleet.start(slot)
            watch_until_done(plan, watch, fleet, feed, injector)
        finally:
            injector.end()
            fleet.end()
    seconds = time.monotonic() - started_s
    came_out = read_all(settings, outputs, timeout_s=READING_S)
    return Report(
        judge(
            read_all(settings, [settings.input_topic], timeout_s=READING_S), came_out, dead_topic=settings.dead_topic
        ),
        seconds,
        recoveries(injector.injected, came_out, watch.seen_s),
        fleet.exits,
        fleet.hung,
        feed.held_up_s,
    )


def watch_until_done(plan: Plan, watch: Watch, fleet: Fleet, feed: Feed, injector: Injector) -> None:
    """Until every document came out, or none did for too long: the verdict says how many are missing."""
    feed.last_for(sum(map(plan.expected_s, plan.schedule())))
    faults = threading.Thread(target=injector.run, name="chaos-faults", daemon=True)
    last_s = time.monotonic()
    with feed:
        while len(watch.numbers) < plan.documents or faults.is_alive():
            if watch.look():
                last_s = time.monotonic()
                if not faults.ident:
                    faults.start()  # the workers work
            fleet.watch()
            if injector.problem is not None:
                raise injector.problem
            if time.monotonic() - last_s > plan.patience_s:
                return
            if feed.finished and not faults.is_alive() and len(watch.numbers) == plan.documents:
                return
