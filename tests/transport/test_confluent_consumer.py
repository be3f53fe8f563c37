"""What librdkafka's consumer may do at the worst moment, scripted: taken away while fetching, lost unheard, failing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("confluent_kafka", reason="the extra `confluent` is not installed")

from confluent_kafka import KafkaError, Message

from tests.fakes.confluent_consumers import TOPIC, ScriptedConsumer, failure, message
from workers.errors import ConfigurationError, DependencyError, PublishFailed
from workers.settings import KafkaSettings
from workers.transport.base import Epoch, EpochLimits, Partition
from workers.transport.confluent import HELD_EPOCHS, ConfluentTransport

LIMITS = EpochLimits(max_records=3, max_bytes=1_000)


class Alone(ConfluentTransport):
    """A transport without a broker: nothing is being published, so every fate is known."""

    def _fates_are_known(self) -> bool:
        return True


@pytest.fixture
def consumer() -> ScriptedConsumer:
    return ScriptedConsumer()


@pytest.fixture
def transport(consumer: ScriptedConsumer) -> Iterator[Alone]:
    made = Alone(KafkaSettings(input_topic=TOPIC), make_consumer=consumer.made)
    made._join()
    yield made
    made.close(timeout_s=1.0)


def poll(transport: ConfluentTransport, *, accept: bool = True) -> Epoch | None:
    return transport.poll(LIMITS, timeout_s=0.0, accept=accept)


def offsets(epoch: Epoch | None) -> list[tuple[int, int]]:
    assert epoch is not None
    return [(record.partition.number, record.offset) for record in epoch.records]


def test_an_epoch_is_what_is_there_up_to_its_limit(transport: Alone, consumer: ScriptedConsumer) -> None:
    consumer.gives(0, 1)
    consumer.steps.extend([[message(0, 5)], [message(0, 6), message(1, 2)]])
    epoch = poll(transport)
    assert offsets(epoch) == [(0, 5), (0, 6), (1, 2)]
    assert epoch is not None
    assert epoch.next_offsets == {Partition(TOPIC, 0): 7, Partition(TOPIC, 1): 3}
    assert consumer.asked == [1, 2]


def test_what_was_fetched_while_it_was_taken_away_is_read_again(transport: Alone, consumer: ScriptedConsumer) -> None:
    consumer.gives(0, 1)

    def taken(it: ScriptedConsumer) -> list[Message]:
        it.takes(0)
        return [message(0, 5), message(1, 2)]

    consumer.offsets = {1: 2}
    consumer.steps.append(taken)
    assert poll(transport) is None
    consumer.steps.append([message(1, 2)])
    assert offsets(poll(transport)) == [(1, 2)]
    assert consumer.seeks == [(1, 2)]


def test_held_records_of_a_partition_that_was_taken_away_are_in_no_epoch(
    transport: Alone, consumer: ScriptedConsumer
) -> None:
    consumer.gives(0, 1)
    consumer.steps.append([message(0, 5)])
    assert poll(transport, accept=False) is None

    def taken(it: ScriptedConsumer) -> list[Message]:
        it.takes(0)
        return [message(1, 2)]

    consumer.steps.append(taken)
    assert offsets(poll(transport)) == [(1, 2)]


@pytest.mark.parametrize(("generation", "member"), [(-1, ""), (-1, "member-1"), (2, "member-2")])
def test_what_was_read_under_a_membership_that_is_gone_is_not_in_an_epoch(
    transport: Alone, consumer: ScriptedConsumer, generation: int, member: str
) -> None:
    """The heartbeat, or a join that nobody told us of, changed the membership between the fetch and the look at it."""
    consumer.gives(0)
    consumer.steps.append([message(0, 5)])
    before = poll(transport)
    assert before is not None
    consumer.generation, consumer.member = generation, member
    consumer.steps.append([message(0, 6)])
    assert poll(transport) is None
    assert isinstance(transport.publish(before, []).exception(1.0), PublishFailed)
    consumer.generation, consumer.member, consumer.offsets = 3, "member-3", {0: 6}
    consumer.steps.append([])
    poll(transport)
    assert consumer.seeks == [(0, 6)]


def test_a_rewind_waits_for_the_committed_offsets_and_falls_back_to_the_first_that_was_read(
    transport: Alone, consumer: ScriptedConsumer
) -> None:
    consumer.gives(0, 1, 2)
    consumer.steps.extend([[message(0, 5)], [message(1, 7)]])
    assert poll(transport) is not None
    consumer.offsets, consumer.looks_fail = {0: 4}, 1
    transport.rewind()
    assert poll(transport) is None
    assert consumer.seeks == []
    assert consumer.paused == {0, 1, 2}
    poll(transport)
    assert consumer.seeks == [(0, 4), (1, 7), (2, -2)]  # committed, read first, the beginning
    assert consumer.paused == set()


def test_without_room_a_few_epochs_are_held_and_then_the_partitions_are_paused(
    transport: Alone, consumer: ScriptedConsumer
) -> None:
    consumer.gives(0)
    enough = HELD_EPOCHS * LIMITS.max_records
    consumer.steps.extend([[message(0, offset)] for offset in range(enough)])
    for _ in range(enough):
        assert poll(transport, accept=False) is None
        assert consumer.paused == set()
    poll(transport, accept=False)
    assert consumer.paused == {0}
    consumer.gives(1)
    assert consumer.paused == {0, 1}  # what is new is paused too
    read = [offsets(poll(transport)) for _ in range(HELD_EPOCHS)]
    assert [offset for epoch in read for _, offset in epoch] == list(range(enough))
    poll(transport)
    assert consumer.paused == set()


@pytest.mark.parametrize(
    ("code", "flags", "error"),
    [
        (KafkaError.GROUP_AUTHORIZATION_FAILED, {}, ConfigurationError),
        (KafkaError.FENCED_INSTANCE_ID, {"fatal": True}, ConfigurationError),
        (KafkaError._FATAL, {}, ConfigurationError),  # the flag is missing where it comes among records
        (KafkaError.UNKNOWN_TOPIC_OR_PART, {}, DependencyError),
        (KafkaError._TRANSPORT, {"retriable": True}, None),
        (KafkaError._MAX_POLL_EXCEEDED, {}, None),  # what it takes away is told to the callbacks
    ],
)
def test_what_the_library_will_not_mend_is_raised_and_everything_is_read_again(
    transport: Alone, consumer: ScriptedConsumer, code: int, flags: dict[str, bool], error: type[Exception] | None
) -> None:
    consumer.gives(0)
    consumer.offsets = {0: 5}
    consumer.steps.append([message(0, 5), failure(code, **flags)])
    if error is None:
        assert offsets(poll(transport)) == [(0, 5)]
        return
    with pytest.raises(error, match="polling: scripted"):
        poll(transport)
    poll(transport)
    assert consumer.seeks == [(0, 5)]


def test_an_error_that_is_told_beside_the_records_is_raised_too(transport: Alone, consumer: ScriptedConsumer) -> None:
    transport._reports(KafkaError(KafkaError._ALL_BROKERS_DOWN, "they may come back"))
    assert poll(transport) is None
    transport._reports(KafkaError(KafkaError._AUTHENTICATION, "wrong password"))
    with pytest.raises(ConfigurationError, match=r"wrong password: grant .* kafka\.sasl"):
        poll(transport)
