"""The six traps of kafka-python 3.0.12's transactions and groups, and the rule that keeps this transport out of each.

For each: what the client does as it comes (a canary: if it fails, a newer client has mended it and our rule may go),
and what the transport does, with its rule and without. See docs/decisions/0004.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from tests.fakes.producers import FaultScript
from tests.transport.harness import (
    LIMITS,
    KafkaHarness,
    next_epoch,
    pass_all_through,
    passed_on,
    publish,
    wait_until,
)
from workers.errors import PublishFailed
from workers.settings import KafkaSettings
from workers.transport import kafka as kafka_transport
from workers.transport.base import EpochLimits, Partition
from workers.transport.kafka import KafkaTransport
from workers.transport.kafka_client import connection_options
from workers.transport.kafka_lane import force_close
from workers.transport.kafka_publisher import KafkaPublisher, Publication

pytestmark = [pytest.mark.kafka, pytest.mark.apache]

SHORT_S = 1.5  # longer than the client needs where it does not hang


@pytest.fixture
def harness(kafka_settings: KafkaSettings) -> Iterator[KafkaHarness]:
    made = KafkaHarness(kafka_settings)
    yield made
    made.close()


@pytest.fixture
def consumer(kafka_settings: KafkaSettings) -> Iterator[KafkaConsumer]:
    """A plain member of the group, joined."""
    made = KafkaConsumer(
        kafka_settings.input_topic,
        **connection_options(kafka_settings, role="plain"),
        group_id=kafka_settings.group_id,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    wait_until(lambda: (made.poll(timeout_ms=200) is not None and made.assignment()) or None, "an assignment")
    yield made
    made.close(autocommit=False)


def plain_producer(settings: KafkaSettings, script: FaultScript | None = None) -> KafkaProducer:
    producer = (script or FaultScript()).make(
        **connection_options(settings, role="plain"), transactional_id=f"plain-{settings.group_id}", max_block_ms=5_000
    )
    producer.init_transactions()
    return producer


def offset(number: int) -> OffsetAndMetadata:
    return OffsetAndMetadata(number, "", -1)


# Trap 1: offsets of a refused commit ride along with the producer's next transaction.


def test_canary_1_the_client_leaks_refused_offsets_into_the_next_transaction(
    kafka_settings: KafkaSettings, consumer: KafkaConsumer
) -> None:
    refused, wanted = (TopicPartition(kafka_settings.input_topic, number) for number in (0, 1))
    producer = plain_producer(kafka_settings)
    stale = consumer.group_metadata()._replace(generation_id=999)
    producer.begin_transaction()
    with pytest.raises(Exception, match="metadata mismatch"):
        producer.send_offsets_to_transaction({refused: offset(5)}, stale)
    producer.abort_transaction()
    producer.begin_transaction()
    producer.send_offsets_to_transaction({wanted: offset(7)}, consumer.group_metadata())
    producer.commit_transaction()
    force_close(producer)
    assert consumer.committed(wanted) == 7
    assert consumer.committed(refused) == 5, "kafka-python has mended trap 1: a producer that failed may be kept"


class KeepsItsProducer(KafkaPublisher):
    """Without rule 1: abort and go on."""

    def _give_up_producer(self) -> None:
        assert self._lane is not None
        self._lane.call(lambda producer: producer.abort_transaction(), timeout_s=5.0)
        self._settled.set()


@pytest.mark.parametrize(("publisher_class", "leaked"), [(KafkaPublisher, None), (KeepsItsProducer, 5)])
def test_rule_1_a_refused_epoch_s_offsets_are_never_committed(
    kafka_settings: KafkaSettings, consumer: KafkaConsumer, publisher_class: type[KafkaPublisher], leaked: int | None
) -> None:
    topic = kafka_settings.input_topic
    publisher = publisher_class(kafka_settings, f"rule-1-{kafka_settings.group_id}")
    publisher.start(timeout_s=10.0)
    refused = Publication((), {Partition(topic, 0): 5}, consumer.group_metadata()._replace(generation_id=999))
    publisher.publish(refused)
    assert isinstance(refused.done.exception(10.0), PublishFailed)
    wait_until(lambda: publisher.settled or None, "a producer")
    wanted = Publication((), {Partition(topic, 1): 7}, consumer.group_metadata())
    publisher.publish(wanted)
    assert wanted.done.result(10.0) is None
    publisher.close(timeout_s=5.0)
    assert consumer.committed(TopicPartition(topic, 1)) == 7
    assert consumer.committed(TopicPartition(topic, 0)) == leaked


# Trap 2: a transactional request is dropped when its coordinator goes away at the wrong moment; its caller hangs.


def test_canary_2_the_client_hangs_in_a_commit_whose_request_was_dropped(kafka_settings: KafkaSettings) -> None:
    script = FaultScript()
    producer = plain_producer(kafka_settings, script)
    producer.begin_transaction()
    producer.send(kafka_settings.enriched_topic, key=b"k", value=b"v").get(timeout=5.0)
    script.dropped_requests = 1
    committing = threading.Thread(target=producer.commit_transaction, daemon=True)
    committing.start()
    committing.join(SHORT_S)
    hung = committing.is_alive()
    force_close(producer)
    assert hung, "kafka-python has mended trap 2: a transaction may be published without a thread to leave behind"


def test_rule_2_a_hanging_commit_ends_at_the_deadline_and_the_next_producer_goes_on(harness: KafkaHarness) -> None:
    harness.settings = harness.settings.model_copy(update={"publish_deadline_ms": 1_000})
    harness.put(*[(b"key", b"%d" % number, ()) for number in range(5)])
    transport = harness.member()
    epoch = next_epoch(transport)
    harness.script.dropped_requests = 1
    # Without the deadline this would wait for ever: canary 2.
    assert "no end within 1 s" in str(publish(harness, transport, epoch))
    transport.rewind()
    pass_all_through(harness, [transport], count=5)
    assert [record.value for record in harness.came_out()] == [b"%d" % number for number in range(5)]
    assert harness.script.producers == 2


# Trap 3: a membership reset by the heartbeat between poll and group_metadata() makes a commit that nobody fences.


def test_canary_3_a_commit_without_membership_is_not_fenced(
    kafka_settings: KafkaSettings, consumer: KafkaConsumer
) -> None:
    partition = TopicPartition(kafka_settings.input_topic, 0)
    producer = plain_producer(kafka_settings)
    producer.begin_transaction()
    try:
        producer.send_offsets_to_transaction({partition: offset(3)}, ConsumerGroupMetadata(kafka_settings.group_id))
        producer.commit_transaction()
    finally:
        force_close(producer)
    assert consumer.committed(partition) == 3, "trap 3 is mended: commits without a membership are refused"


class LosesItsMembership(KafkaTransport):
    """The heartbeat resets the membership just after a poll, once."""

    losses = 0

    def _membership(self, consumer: KafkaConsumer) -> ConsumerGroupMetadata:
        if self._held and not self._rewinding and self.losses == 0:
            self.losses += 1
            consumer._coordinator.reset_generation()
        return super()._membership(consumer)


def test_rule_3_what_was_read_without_a_membership_is_read_again_and_not_published(harness: KafkaHarness) -> None:
    harness.put(*[(b"key", b"%d" % number, ()) for number in range(20)])
    transport = LosesItsMembership(harness.settings, make_producer=harness.script.make)
    harness.started(transport)
    epoch = next_epoch(transport)
    assert transport.losses == 1
    assert epoch.records[0].offset == 0  # not where the first poll had ended
    assert epoch.claim.membership.member_id  # type: ignore[attr-defined]
    assert publish(harness, transport, epoch) is None


def test_rule_3_without_it_a_commit_goes_past_the_new_owner(
    harness: KafkaHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_transport, "is_settled_member", lambda membership: True)
    monkeypatch.setattr(KafkaTransport, "_still_the_same_member", lambda self, membership: True)
    monkeypatch.setattr("workers.transport.kafka_membership.is_member", lambda membership: True)
    harness.put(*[(b"key", b"%d" % number, ()) for number in range(5)])
    naive = harness.started(LosesItsMembership(harness.settings, make_producer=harness.script.make))
    lost = next_epoch(naive)
    owner = harness.member()
    pass_all_through(harness, [owner], count=5)
    assert publish(harness, naive, lost) is None  # nobody objects
    assert len(harness.came_out()) == 10


# Trap 4: a look at committed offsets that timed out answers the next one.


def leave_a_look_behind(consumer: KafkaConsumer, partition: TopicPartition) -> None:
    """One that times out at once, and whose answer comes a moment later."""
    with pytest.raises(Exception, match="KafkaTimeoutError"):
        consumer.committed(partition, timeout_ms=0)
    looks = consumer._coordinator._offset_fetch_futures
    wait_until(lambda: all(look.is_done for look in looks.values()) or None, "the answer")


def test_canary_4_a_look_at_committed_offsets_that_timed_out_answers_the_next(
    kafka_settings: KafkaSettings, consumer: KafkaConsumer
) -> None:
    partition = TopicPartition(kafka_settings.input_topic, 0)
    leave_a_look_behind(consumer, partition)
    consumer.commit({partition: offset(9)})
    assert consumer.committed(partition) is None, "kafka-python has mended trap 4: forget_offset_fetches may go"


@pytest.mark.parametrize("with_rule", [True, False])
def test_rule_4_a_rewind_goes_to_what_is_committed_now(
    harness: KafkaHarness, monkeypatch: pytest.MonkeyPatch, with_rule: bool
) -> None:
    if not with_rule:
        monkeypatch.setattr(kafka_transport, "forget_offset_fetches", lambda consumer: None)
    harness.put(*[(b"key", b"%d" % number, ()) for number in range(8)])
    transport = harness.member()
    assert isinstance(transport, KafkaTransport)
    first = next_epoch(transport)
    (source,) = (TopicPartition(partition.topic, partition.number) for partition in first.next_offsets)
    leave_a_look_behind(transport._connected(), source)
    assert publish(harness, transport, first) is None
    harness.put((b"key", b"last", ()))
    transport.rewind()
    assert next_epoch(transport).records[0].value == (b"last" if with_rule else b"0")


# Trap 5: a join that ends between two polls is thrown away and begun anew.


def settles(harness: KafkaHarness, transport: KafkaTransport) -> bool:
    """Whether the member gets work within a number of polls that wait for nothing, with a pause after each."""
    for _ in range(60):
        if transport.poll(LIMITS, timeout_s=0.0, accept=True) is not None:
            return True
        time.sleep(0.03)
    return False


@pytest.mark.parametrize("with_rule", [True, False])
def test_rule_5_a_member_that_never_waits_in_a_poll_joins_all_the_same(
    harness: KafkaHarness, monkeypatch: pytest.MonkeyPatch, with_rule: bool
) -> None:
    if not with_rule:  # and so the canary: with a mended client this one settles too, and keep_join may go
        monkeypatch.setattr(kafka_transport, "keep_join", lambda consumer: None)
    harness.put((b"key", b"value", ()))
    transport = harness.member()
    assert isinstance(transport, KafkaTransport)
    assert settles(harness, transport) is with_rule, "kafka-python has mended trap 5" if not with_rule else ""


# The order of things after a failure: first nothing can become visible any more, then look at what is committed.


class LooksTooSoon(KafkaTransport):
    """Reads the committed offsets at once, although the failed transaction may still be on its way."""

    def _fates_are_known(self) -> bool:
        return True


@pytest.mark.parametrize(("transport_class", "times"), [(KafkaTransport, 1), (LooksTooSoon, 2)])
def test_a_transaction_that_commits_late_is_fenced_before_its_records_are_read_again(
    harness: KafkaHarness, transport_class: type[KafkaTransport], times: int
) -> None:
    harness.settings = harness.settings.model_copy(update={"publish_deadline_ms": 500})
    harness.script.unstoppable = True
    harness.put(*[(b"key", b"%d" % number, ()) for number in range(5)])
    transport = harness.started(transport_class(harness.settings, make_producer=harness.script.make))
    slow = next_epoch(transport)
    harness.script.offsets_may_go.clear()
    harness.script.producers_may_start.set() if times == 1 else harness.script.producers_may_start.clear()
    late = transport.publish(slow, passed_on(harness, slow))
    assert isinstance(late.exception(10.0), PublishFailed)
    transport.rewind()
    again = next_epoch(transport)
    assert again.records == slow.records
    harness.script.offsets_may_go.set()  # only now does the old transaction go on
    if times == 2:
        wait_until(lambda: len(harness.came_out()) == 5 or None, "the late commit")
        harness.script.producers_may_start.set()
    settled = transport._publisher
    wait_until(lambda: settled.settled or None, "a producer")
    assert publish(harness, transport, again) is None
    assert len(harness.came_out()) == 5 * times


# Trap 6: a membership lost while the client is rejoining already is not told to the listener, and positions stay.


def lose_membership_unheard(transport: KafkaTransport) -> None:
    coordinator = transport._connected()._coordinator
    coordinator.rejoining = True  # what it is after a join that failed
    coordinator.maybe_leave_group()


@pytest.mark.parametrize("with_rule", [True, False])
def test_rule_6_after_a_loss_that_nobody_told_it_starts_where_the_other_owner_ended(
    harness: KafkaHarness, monkeypatch: pytest.MonkeyPatch, with_rule: bool
) -> None:
    if not with_rule:  # and so the canary: with a mended client this one starts at 6 too, and the rule may go
        monkeypatch.setattr(KafkaTransport, "_still_the_same_member", lambda self, membership: True)
    harness.put(*[(b"key", b"%d" % number, ()) for number in range(8)])
    transport = harness.member()
    assert isinstance(transport, KafkaTransport)
    first = next_epoch(transport, EpochLimits(4, 1_000))
    assert publish(harness, transport, first) is None
    transport.poll(LIMITS, timeout_s=0.0, accept=False)
    lose_membership_unheard(transport)
    (source,) = (TopicPartition(partition.topic, partition.number) for partition in first.next_offsets)
    other_owner_commits(harness.settings, source, 6)
    assert next_epoch(transport).records[0].value == (b"6" if with_rule else b"4")


def other_owner_commits(settings: KafkaSettings, partition: TopicPartition, number: int) -> None:
    producer = plain_producer(settings)
    producer.begin_transaction()
    producer.send_offsets_to_transaction({partition: offset(number)}, ConsumerGroupMetadata(settings.group_id))
    producer.commit_transaction()
    force_close(producer)
