"""One way to handle every transport with a log behind it: put records in, make members, see what came out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from tests.fakes.producers import CommitFault, FaultScript
from workers.settings import KafkaSettings
from workers.transport.base import Epoch, EpochLimits, Headers, IncomingRecord, OutgoingRecord, Transport
from workers.transport.grouped import GroupTransport
from workers.transport.kafka import KafkaTransport
from workers.transport.kafka_admin import produce, read_all
from workers.transport.kafka_membership import is_settled_member
from workers.transport.membership import is_member
from workers.transport.memory import Fault, MemoryLog, MemoryTransport

T = TypeVar("T")
TransportT = TypeVar("TransportT", bound=Transport)

LIMITS = EpochLimits(max_records=10, max_bytes=1_000_000)
PATIENCE_S = 30.0  # a test that waits this long fails; none waits for time to pass


class Harness(Protocol):
    def put(self, *records: tuple[bytes | None, bytes | None, Headers]) -> None: ...
    def member(self) -> Transport:
        """A started transport of the one group; the harness closes it."""
        ...

    def fail_next_publish(self) -> None: ...
    def lose_next_answer(self) -> None: ...
    def came_out(self) -> list[IncomingRecord]: ...
    def close(self) -> None: ...


class MemoryHarness:
    def __init__(self) -> None:
        self.log = MemoryLog()
        self.members: list[MemoryTransport] = []

    def put(self, *records: tuple[bytes | None, bytes | None, Headers]) -> None:
        for key, value, headers in records:
            self.log.append("documents", key, value, headers)

    def member(self) -> Transport:
        transport = MemoryTransport(self.log)
        transport.start()
        self.members.append(transport)
        return transport

    def fail_next_publish(self) -> None:
        self._fault(Fault.REFUSED)

    def lose_next_answer(self) -> None:
        self._fault(Fault.ANSWER_LOST)

    def _fault(self, fault: Fault) -> None:
        for partition, records in self.log.topics.items():
            position = self.log.committed.get(partition, 0)
            if partition.topic == "documents" and position < len(records):
                self.log.faults[partition, position] = fault
                return

    def came_out(self) -> list[IncomingRecord]:
        return self.log.read("out")

    def close(self) -> None:
        for transport in self.members:
            transport.close(timeout_s=1.0)


class KafkaHarness:
    """Members speak through the client that the settings name; what goes in and comes out is looked at with one."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self.script = FaultScript()
        self.members: list[Transport] = []

    def put(self, *records: tuple[bytes | None, bytes | None, Headers]) -> None:
        topic = self.settings.input_topic
        produce(self.settings, [OutgoingRecord(topic, key, value, headers) for key, value, headers in records])

    def member(self) -> Transport:
        return self.started(scripted_transport(self.settings, self.script))

    def started(self, transport: TransportT) -> TransportT:
        self.members.append(transport)
        transport.start()
        return transport

    def fail_next_publish(self) -> None:
        self.script.commits.append(CommitFault.REFUSED)

    def lose_next_answer(self) -> None:
        self.script.commits.append(CommitFault.ANSWER_LOST)

    def came_out(self) -> list[IncomingRecord]:
        return read_all(self.settings, [self.settings.enriched_topic])

    def close(self) -> None:
        self.script.offsets_may_go.set()
        self.script.producers_may_start.set()
        for transport in self.members:
            transport.close(timeout_s=5.0)


def scripted_transport(settings: KafkaSettings, script: FaultScript) -> GroupTransport[Any]:
    """Of the client that the settings name, not started; its producers do what the script says."""
    if settings.client == "confluent":
        from tests.fakes.confluent_producers import scripted  # not above: the extra may not be installed
        from workers.transport.confluent import ConfluentTransport

        return ConfluentTransport(settings, make_producer=scripted(script))
    return KafkaTransport(settings, make_producer=script.make)


def output_topic(harness: Harness) -> str:
    return harness.settings.enriched_topic if isinstance(harness, KafkaHarness) else "out"


def assigned(transport: Transport) -> set[int]:
    """The numbers of the partitions that a Kafka transport has now."""
    assert isinstance(transport, GroupTransport)
    return {partition.partition for partition in transport._connected().assignment()}


def generation(transport: Transport) -> int:
    assert isinstance(transport, GroupTransport)
    return int(transport._membership(transport._connected()).generation_id)


def settled(transport: Transport) -> bool:
    """Whether generation and assignment belong together; librdkafka does not tell, and then it always looks so."""
    assert isinstance(transport, GroupTransport)
    membership = transport._membership(transport._connected())
    return is_settled_member(membership) if isinstance(transport, KafkaTransport) else is_member(membership)


def wait_until(answer: Callable[[], T | None], what: str) -> T:
    deadline_s = time.monotonic() + PATIENCE_S
    while (result := answer()) is None:
        assert time.monotonic() < deadline_s, f"waited {PATIENCE_S:g} s for {what}"
    return result


def next_epoch(transport: Transport, limits: EpochLimits = LIMITS) -> Epoch:
    return wait_until(lambda: transport.poll(limits, timeout_s=0.05, accept=True), "an epoch")


def passed_on(harness: Harness, epoch: Epoch) -> list[OutgoingRecord]:
    topic = output_topic(harness)
    return [OutgoingRecord(topic, record.key, record.value, record.headers) for record in epoch.records]


def publish(harness: Harness, transport: Transport, epoch: Epoch) -> BaseException | None:
    """What the future ended with."""
    return transport.publish(epoch, passed_on(harness, epoch)).exception(PATIENCE_S)


def pass_all_through(harness: Harness, transports: list[Transport], *, count: int) -> None:
    """Let the members work in turns until `count` records were published; after a failure each reads again."""
    done = 0
    deadline_s = time.monotonic() + PATIENCE_S
    while done < count:
        assert time.monotonic() < deadline_s, f"{done} of {count} were published in {PATIENCE_S:g} s"
        for transport in transports:
            epoch = transport.poll(LIMITS, timeout_s=0.02, accept=True)
            if epoch is not None:
                if publish(harness, transport, epoch) is None:
                    done += len(epoch.records)
                else:
                    transport.rewind()
