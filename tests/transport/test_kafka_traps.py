"""The traps of kafka-python 3.0.12's transactional producer, and the rules that keep this transport out of them.

For each: what the client does as it comes (a canary: if it fails, a newer client has mended it and our rule may go),
and what the transport does, with its rule and without. See docs/decisions/0004.
"""

from __future__ import annotations

import threading

import pytest
from kafka import KafkaConsumer, TopicPartition

from tests.fakes.producers import FaultScript
from tests.transport.harness import KafkaHarness, next_epoch, pass_all_through, passed_on, publish, wait_until
from tests.transport.plain import offset, plain_producer
from workers.errors import PublishFailed
from workers.settings import KafkaSettings
from workers.transport.base import Partition
from workers.transport.kafka import KafkaTransport
from workers.transport.kafka_publisher import KafkaPublisher
from workers.transport.publisher import Publication

pytestmark = [pytest.mark.kafka, pytest.mark.apache]

SHORT_S = 1.5  # longer than the client needs where it does not hang


# Trap 1: offsets of a refused commit ride along with the producer's next transaction.


def test_canary_1_the_client_leaks_refused_offsets_into_the_next_transaction(
    kafka_settings: KafkaSettings, consumer: KafkaConsumer
) -> None:
    refused, wanted = (TopicPartition(kafka_settings.input_topic, number) for number in (0, 1))
    stale = consumer.group_metadata()._replace(generation_id=999)
    with plain_producer(kafka_settings) as producer:
        producer.begin_transaction()
        with pytest.raises(Exception, match="metadata mismatch"):
            producer.send_offsets_to_transaction({refused: offset(5)}, stale)
        producer.abort_transaction()
        producer.begin_transaction()
        producer.send_offsets_to_transaction({wanted: offset(7)}, consumer.group_metadata())
        producer.commit_transaction()
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
    with plain_producer(kafka_settings, script) as producer:
        producer.begin_transaction()
        producer.send(kafka_settings.enriched_topic, key=b"k", value=b"v").get(timeout=5.0)
        script.dropped_requests = 1
        committing = threading.Thread(target=producer.commit_transaction, daemon=True)
        committing.start()
        committing.join(SHORT_S)
        hung = committing.is_alive()
    assert hung, "kafka-python has mended trap 2: a transaction may be published without a thread to leave behind"


def test_rule_2_a_hanging_commit_ends_at_the_deadline_and_a_new_producer_goes_on(
    kafka_harness: KafkaHarness,
) -> None:
    kafka_harness.settings = kafka_harness.settings.model_copy(update={"publish_deadline_ms": 1_000})
    kafka_harness.put(*[(b"key", b"%d" % number, ()) for number in range(5)])
    transport = kafka_harness.member()
    epoch = next_epoch(transport)
    kafka_harness.script.dropped_requests = 1
    # Without the deadline this would wait for ever: canary 2. The client's own time-out may be up a moment before ours.
    told = str(publish(kafka_harness, transport, epoch))
    assert "no end within 1 s" in told or "KafkaTimeoutError" in told
    transport.rewind()
    pass_all_through(kafka_harness, [transport], count=5)
    assert [record.value for record in kafka_harness.came_out()] == [b"%d" % number for number in range(5)]
    assert kafka_harness.script.producers == 2


# The order of things after a failure: first nothing can become visible any more, then look at what is committed.


class LooksTooSoon(KafkaTransport):
    """Reads the committed offsets at once, although the failed transaction may still be on its way."""

    def _fates_are_known(self) -> bool:
        return True


@pytest.mark.parametrize(("transport_class", "times"), [(KafkaTransport, 1), (LooksTooSoon, 2)])
def test_a_transaction_that_commits_late_is_fenced_before_its_records_are_read_again(
    kafka_harness: KafkaHarness, transport_class: type[KafkaTransport], times: int
) -> None:
    kafka_harness.settings = kafka_harness.settings.model_copy(update={"publish_deadline_ms": 500})
    kafka_harness.script.unstoppable = True
    kafka_harness.put(*[(b"key", b"%d" % number, ()) for number in range(5)])
    transport = kafka_harness.started(transport_class(kafka_harness.settings, make_producer=kafka_harness.script.make))
    slow = next_epoch(transport)
    kafka_harness.script.offsets_may_go.clear()
    kafka_harness.script.producers_may_start.set() if times == 1 else kafka_harness.script.producers_may_start.clear()
    late = transport.publish(slow, passed_on(kafka_harness, slow))
    assert isinstance(late.exception(10.0), PublishFailed)
    transport.rewind()
    again = next_epoch(transport)
    assert again.records == slow.records
    kafka_harness.script.offsets_may_go.set()  # only now does the old transaction go on
    if times == 2:
        wait_until(lambda: len(kafka_harness.came_out()) == 5 or None, "the late commit")
        kafka_harness.script.producers_may_start.set()
    settled = transport._publisher
    wait_until(lambda: settled.settled or None, "a producer")
    assert publish(kafka_harness, transport, again) is None
    assert len(kafka_harness.came_out()) == 5 * times
