"""A consumer in the place of librdkafka's: does what the script says, one step for each `consume`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

TOPIC = "documents"
Callback = Callable[[Any, list[TopicPartition]], None]
Step = list[Message] | Callable[["ScriptedConsumer"], list[Message]]


def message(number: int, offset: int, value: bytes = b"value") -> Message:
    return Message(TOPIC, number, offset, b"key", value, timestamp=(1, 0))


def failure(code: int, **flags: bool) -> Message:
    return Message(TOPIC, 0, error=KafkaError(code, "scripted", **flags))


def proof(generation: int, member: str) -> bytes:
    """As librdkafka writes it."""
    return b"CGMDv2:" + generation.to_bytes(4, "little", signed=True) + b"enrich\x00" + member.encode() + b"\x00\x01"


@dataclass
class ScriptedConsumer:
    steps: deque[Step] = field(default_factory=deque)
    generation: int = 1
    member: str = "member-1"
    offsets: dict[int, int] = field(default_factory=dict)  # committed, by partition
    looks_fail: int = 0  # how many of the next looks at committed offsets time out
    seeks: list[tuple[int, int]] = field(default_factory=list)
    paused: set[int] = field(default_factory=set)
    assigned: set[int] = field(default_factory=set)
    asked: list[int] = field(default_factory=list)  # how many records each `consume` was asked for
    on_assign: Callback = lambda consumer, partitions: None
    on_revoke: Callback = lambda consumer, partitions: None

    def made(self, options: dict[str, object]) -> Consumer:
        return cast(Consumer, self)

    def subscribe(self, topics: list[str], *, on_assign: Callback, on_revoke: Callback, on_lost: Callback) -> None:
        self.on_assign, self.on_revoke = on_assign, on_revoke

    def consume(self, num_messages: int, timeout: float) -> list[Message]:
        self.asked.append(num_messages)
        if not self.steps:
            return []
        step = self.steps.popleft()
        return step if isinstance(step, list) else step(self)

    def gives(self, *numbers: int) -> None:
        self.on_assign(self, [TopicPartition(TOPIC, number) for number in numbers])

    def takes(self, *numbers: int) -> None:
        self.on_revoke(self, [TopicPartition(TOPIC, number) for number in numbers])
        self.assigned -= set(numbers)

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned |= {partition.partition for partition in partitions}

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(TOPIC, number) for number in sorted(self.assigned)]

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused |= {partition.partition for partition in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= {partition.partition for partition in partitions}

    def seek(self, place: TopicPartition) -> None:
        self.seeks.append((place.partition, place.offset))

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        if self.looks_fail > 0:
            self.looks_fail -= 1
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "scripted", retriable=True))
        return [TopicPartition(p.topic, p.partition, self.offsets.get(p.partition, -1001)) for p in partitions]

    def consumer_group_metadata(self) -> bytes:
        return proof(self.generation, self.member)

    def memberid(self) -> str:
        return self.member

    def close(self) -> None:
        self.assigned.clear()
