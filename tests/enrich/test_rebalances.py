"""A second worker joins and leaves while the first is inside a step of an epoch, with each client and for each step."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any

import pytest

from tests.enrich.test_worker_on_kafka import number_of
from tests.fakes.models import Asked, OracleModel
from tests.fakes.pipelines import oracle, oracle_worker, payload
from tests.fakes.producers import FaultScript, Step
from tests.transport.clients import CLIENTS
from tests.transport.harness import scripted_transport
from workers.enrich.worker import Worker
from workers.settings import EpochSettings, KafkaSettings, Settings
from workers.stages.results import WindowAnswer
from workers.text.pieces import Window
from workers.transport.base import IncomingRecord, OutgoingRecord
from workers.transport.grouped import GroupTransport
from workers.transport.kafka_admin import produce, read_all

# Not with the embedded broker: there the case of a poll, tried once, did not come to an end within a minute.
pytestmark = [pytest.mark.kafka, pytest.mark.apache, pytest.mark.timeout(300)]

KEYS = 12
PATIENCE_S = 60.0  # none waits for time to pass


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {PATIENCE_S:g} s for {what}"
        time.sleep(0.01)


@dataclass
class Interruption:
    """What happens once, inside the step that it was set for. The step goes on when it has happened."""

    step: Step | None = None
    happens: Callable[[], None] = lambda: None
    happened: Event = field(default_factory=Event)
    failure: BaseException | None = None
    _lock: Lock = field(default_factory=Lock)

    def set_for(self, step: Step, happens: Callable[[], None]) -> None:
        self.happened.clear()
        self.happens = happens
        self.step = step

    def reached(self, step: Step) -> None:
        with self._lock:
            if step is not self.step:
                return
            self.step = None
        try:
            self.happens()
        except AssertionError as error:
            self.failure = error
        self.happened.set()

    def wait(self) -> None:
        wait_for(self.happened.is_set, "the step to be interrupted")
        if self.failure is not None:
            raise self.failure


@dataclass
class SteppedModel(OracleModel):
    """Tells where it is."""

    reached: Callable[[Step], None] = lambda step: None

    def prepare(self, windows: Sequence[Window]) -> list[Asked]:
        self.reached(Step.PREPARE)
        return super().prepare(windows)

    def forward(self, batch: Sequence[Asked]) -> list[Window]:
        self.reached(Step.FORWARD)
        return super().forward(batch)

    def decode(self, raw: list[Window], batch: Sequence[Asked]) -> list[WindowAnswer]:
        self.reached(Step.DECODE)
        return super().decode(raw, batch)


class Member:
    """A worker on a thread of its own, whose steps can be interrupted."""

    def __init__(self, kafka: KafkaSettings, interruption: Interruption) -> None:
        script = FaultScript()
        script.reached = interruption.reached
        self.transport = scripted_transport(kafka, script)
        tell_of_polls(self.transport, interruption)
        self.settings = Settings(kafka=kafka, epoch=EpochSettings(max_records=4, poll_ms=20))
        self.model = SteppedModel(info=oracle().info, reached=interruption.reached)
        self.worker: Worker | None = None
        self.raised: BaseException | None = None
        self.thread = Thread(target=self._run)

    def _run(self) -> None:
        try:
            with oracle_worker(self.transport, self.model, self.settings) as self.worker:
                self.worker.run()
        except BaseException as error:  # noqa: BLE001  boundary of the thread
            self.raised = error

    @property
    def published(self) -> int:
        return self.worker.progress.documents if self.worker is not None else 0

    @property
    def changes(self) -> int:
        """How often partitions came or went."""
        return sum(self.transport._tenures._counts.values())

    def stop(self) -> None:
        if self.worker is not None:
            self.worker.stop()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


def tell_of_polls(transport: GroupTransport[Any], interruption: Interruption) -> None:
    """In a poll, between what was fetched and the epoch that is cut from it."""
    hold = transport._hold

    def held(records: Sequence[IncomingRecord]) -> None:
        if records:
            interruption.reached(Step.POLL)
        hold(records)

    transport._hold = held  # type: ignore[method-assign]


@contextmanager
def members(*own: Member) -> Iterator[None]:
    try:
        yield
    finally:
        for member in own:
            if member.thread.ident is not None:
                member.stop()
    assert [member.raised for member in own] == [None] * len(own)


def documents(topic: str, numbers: Iterable[int]) -> list[OutgoingRecord]:
    return [OutgoingRecord(topic, b"key-%d" % (n % KEYS), payload(f"Text {n}.", name=str(n))) for n in numbers]


@pytest.mark.parametrize("step", Step, ids=lambda step: step.value)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_rebalance_inside_a_step_loses_nothing_and_doubles_nothing(
    kafka_settings: KafkaSettings, client: str, step: Step
) -> None:
    longer = {"publish_deadline_ms": 60_000, "transaction_timeout_ms": 90_000}  # than a rebalance on a busy machine
    kafka = kafka_settings.model_copy(update={"client": client, **longer})
    inside = Interruption()
    first, second = Member(kafka, inside), Member(kafka, Interruption())

    def joins() -> None:
        second.thread.start()
        if step is Step.POLL:  # without the first, which is in here, nobody gets anything: only the joining begins
            wait_for(lambda: second.worker is not None, "the second worker")
            time.sleep(1.0)
        else:
            wait_for(lambda: second.changes > 0, "the second worker to get a partition")

    def leaves() -> None:
        before = first.changes
        second.stop()
        if step is not Step.POLL:
            wait_for(lambda: first.changes > before, "the first worker to get a partition back")

    with members(first, second):
        produce(kafka, documents(kafka.input_topic, range(40)))
        first.thread.start()
        wait_for(lambda: first.published > 0, "the first document")
        inside.set_for(step, joins)
        produce(kafka, documents(kafka.input_topic, range(40, 80)))
        inside.wait()
        wait_for(lambda: first.published + second.published == 80, "all documents")
        wait_for(lambda: second.changes > 0, "the second worker to get a partition")
        inside.set_for(step, leaves)
        produce(kafka, documents(kafka.input_topic, range(80, 120)))
        inside.wait()
        wait_for(lambda: first.published + second.published == 120, "all documents")

    came_out = read_all(kafka, [kafka.enriched_topic])
    assert sorted(map(number_of, came_out)) == list(range(120))
    assert read_all(kafka, [kafka.dead_topic]) == []
    by_key: dict[bytes | None, list[int]] = defaultdict(list)
    for record in came_out:
        by_key[record.key].append(number_of(record))
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
