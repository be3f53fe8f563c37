"""Replaying on a real broker: the original comes back, once, whatever happens on the way."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from kafka import KafkaProducer

from schemas import DeadLetter
from tests.fakes.letters import NOT_JSON, dead_letter_each, outgoing, send_documents, sent_back, writer_with
from tests.fakes.models import POISON
from tests.fakes.pipelines import oracle_pipeline, payload
from tests.fakes.producers import CommitFault, FaultScript
from workers.deadletters import replay as replaying
from workers.deadletters.filters import LetterFilter
from workers.deadletters.ledger import ledger_topic
from workers.deadletters.replay import Fate, replay
from workers.errors import ConfigurationError, PublishFailed
from workers.settings import KafkaSettings
from workers.transport.base import IncomingRecord, OutgoingRecord, Partition
from workers.transport.kafka_admin import create_topics, delete_before, missing_topics, produce, read_all
from workers.transport.kafka_atomic import PlacedRecord, Write, only_writer

pytestmark = pytest.mark.kafka

ALL = LetterFilter()
ROOT = Path(__file__).parents[2]


def assert_back_once(kafka: KafkaSettings, failed: list[IncomingRecord]) -> None:
    """Each of the records came back exactly once, in the order of its partition."""
    back = sent_back(kafka)
    assert Counter(record.value for record in back) == Counter(record.value for record in failed)
    for number in {record.partition.number for record in back}:
        expected = [record.value for record in failed if record.partition.number == number]
        assert [record.value for record in back if record.partition.number == number] == expected


@pytest.fixture
def few_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "MAX_LETTERS", 4)


def test_the_original_comes_back_with_bytes_key_headers_and_a_mark(kafka_settings: KafkaSettings) -> None:
    kafka = kafka_settings
    failed = send_documents(kafka, 6)
    dead_letter_each(kafka, failed)
    assert replay(kafka, ALL) == {Fate.REPLAYED: 6}
    letters = {record.value: record for record in read_all(kafka, [kafka.dead_topic])}
    positions = {f"{r.partition.topic}/{r.partition.number}/{r.offset}".encode() for r in letters.values()}
    back = {record.value: record for record in sent_back(kafka)}
    for original in failed:
        again = back[original.value]
        assert (again.key, again.partition) == (original.key, original.partition)
        assert again.headers[:2] == original.headers
        assert dict(again.headers)["enrich-attempt"] == b"2"
    assert {dict(record.headers)["enrich-replay"] for record in back.values()} == positions


@pytest.mark.usefixtures("few_a_transaction")
def test_a_letter_is_replayed_once_however_often_and_with_whatever_filter(kafka_settings: KafkaSettings) -> None:
    kafka = kafka_settings
    failed = send_documents(kafka, 11)
    odd = {record.value for n, record in enumerate(failed) if n % 2}
    dead_letter_each(kafka, failed, lambda r: replace(NOT_JSON, code="odd" if r.value in odd else "even"))
    assert replay(kafka, LetterFilter(code="odd")) == {Fate.REPLAYED: 5}
    assert {record.value for record in sent_back(kafka)} == odd
    assert replay(kafka, LetterFilter(code="odd")) == {Fate.EARLIER: 5}
    assert replay(kafka, ALL) == {Fate.EARLIER: 5, Fate.REPLAYED: 6}
    assert replay(kafka, ALL) == {Fate.EARLIER: 11}
    assert Counter(record.value for record in sent_back(kafka)) == Counter(record.value for record in failed)


def test_a_dry_run_writes_nothing_not_even_a_topic(kafka_settings: KafkaSettings) -> None:
    kafka = kafka_settings
    dead_letter_each(kafka, send_documents(kafka, 3))
    told: list[Fate] = []
    assert replay(kafka, ALL, dry_run=True, tell=lambda letter, fate: told.append(fate)) == {Fate.REPLAYED: 3}
    assert told == [Fate.REPLAYED] * 3
    assert sent_back(kafka) == []
    assert missing_topics(kafka, [ledger_topic(kafka)]) == (ledger_topic(kafka),)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_a_commit_and_called_again_each_comes_back_once(
    kafka_settings: KafkaSettings, moment: str
) -> None:
    kafka = kafka_settings
    failed = send_documents(kafka, 11)
    dead_letter_each(kafka, failed)
    command = [sys.executable, "-W", "ignore", "-m", "tests.fakes.killed_replay", kafka.model_dump_json(), moment]
    assert subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode == -9
    committed = 4 if moment == "before" else 8
    assert replay(kafka, ALL) == {Fate.EARLIER: committed, Fate.REPLAYED: 11 - committed}
    assert_back_once(kafka, failed)


@pytest.mark.usefixtures("few_a_transaction")
@pytest.mark.parametrize("fault", list(CommitFault))
def test_a_commit_that_fails_or_whose_answer_is_lost_ends_the_run_and_doubles_nothing(
    kafka_settings: KafkaSettings, fault: CommitFault
) -> None:
    kafka = kafka_settings
    failed = send_documents(kafka, 7)
    dead_letter_each(kafka, failed)
    script = FaultScript()
    script.commits.append(fault)
    with pytest.raises(PublishFailed, match="call it again"):
        replay(kafka, ALL, open_writer=writer_with(script.make))
    replay(kafka, ALL)
    assert_back_once(kafka, failed)


@contextmanager
def overtaken_between_transactions(settings: KafkaSettings, name: str) -> Iterator[Write]:
    with only_writer(settings, name) as write:

        def late(records: list[PlacedRecord]) -> None:
            replay(settings, ALL)
            write(records)

        yield late  # type: ignore[misc]


@contextmanager
def started_after_another_ended(settings: KafkaSettings, name: str) -> Iterator[Write]:
    replay(settings, ALL)
    with only_writer(settings, name) as write:
        yield write


def test_what_another_replay_wrote_until_this_became_the_only_writer_is_known(kafka_settings: KafkaSettings) -> None:
    kafka = kafka_settings
    failed = send_documents(kafka, 5)
    dead_letter_each(kafka, failed)
    assert replay(kafka, ALL, open_writer=started_after_another_ended) == {Fate.EARLIER: 5}
    assert_back_once(kafka, failed)


class OvertakenProducer(KafkaProducer):  # type: ignore[misc]  # the client has no types
    """Before it commits, another replay starts and ends."""

    settings: KafkaSettings

    def commit_transaction(self) -> None:
        replay(self.settings, ALL)
        super().commit_transaction()


@pytest.mark.parametrize("within_a_transaction", [False, True])
def test_of_two_replays_at_a_time_the_newer_wins_and_nothing_is_doubled(
    kafka_settings: KafkaSettings, within_a_transaction: bool
) -> None:
    kafka = kafka_settings
    failed = send_documents(kafka, 5)
    dead_letter_each(kafka, failed)
    OvertakenProducer.settings = kafka
    older = writer_with(OvertakenProducer) if within_a_transaction else overtaken_between_transactions
    with pytest.raises(PublishFailed, match="took over"):
        replay(kafka, ALL, open_writer=older)
    assert_back_once(kafka, failed)
    assert replay(kafka, ALL) == {Fate.EARLIER: 5}


def test_bytes_that_were_left_out_are_fetched_from_their_origin(kafka_settings: KafkaSettings) -> None:
    kafka = kafka_settings
    failed = send_documents(kafka, 6)
    dead_letter_each(kafka, failed, max_payload_bytes=0)
    assert replay(kafka, ALL) == {Fate.REPLAYED: 6}
    assert_back_once(kafka, failed)


def test_what_cannot_be_replayed_is_counted_and_left_alone(kafka_settings: KafkaSettings) -> None:
    kafka = kafka_settings
    failed = send_documents(kafka, 12)
    partition = failed[0].partition
    gone, *others = [record for record in failed if record.partition == partition]
    other = next(record for record in failed if record.partition != partition)
    delete_before(kafka, {partition: gone.offset + 1})
    dead_letter_each(kafka, [gone], max_payload_bytes=0)
    dead_letter_each(kafka, [replace(others[0], offset=others[1].offset)], max_payload_bytes=0)  # not what failed there
    dead_letter_each(kafka, [replace(other, partition=Partition("elsewhere", 0))])
    produce(kafka, [OutgoingRecord(kafka.dead_topic, b"k", value) for value in (b"{}", None)])
    assert replay(kafka, ALL) == {Fate.GONE: 1, Fate.CHANGED: 1, Fate.ELSEWHERE: 1, Fate.UNREADABLE: 2}
    assert sent_back(kafka) == []


def test_attempts_count_up_when_a_replayed_document_fails_again(kafka_settings: KafkaSettings) -> None:
    kafka, answered = kafka_settings, 0
    produce(kafka, [OutgoingRecord(kafka.input_topic, b"k", payload(f"This is {POISON}.", name="p"))])
    attempts: list[list[int]] = []
    with oracle_pipeline() as pipeline:
        for _ in range(3):
            records = read_all(kafka, [kafka.input_topic])[answered:]  # one key, so one partition
            answered += len(records)
            produce(kafka, [one.record for one in outgoing(kafka).write(pipeline.enrich(records))])
            letters = [DeadLetter.model_validate_json(r.value or b"") for r in read_all(kafka, [kafka.dead_topic])]
            attempts.append([letter.attempts for letter in letters])
            replay(kafka, ALL)
    once = attempts[0][0]  # the model itself tries more than once
    assert attempts == [[once], [once, 2 * once], [once, 2 * once, 3 * once]]
    assert [header.name for header in letters[-1].headers].count("enrich-attempt") == 1


def test_a_ledger_that_would_forget_is_refused(kafka_settings: KafkaSettings) -> None:
    kafka = kafka_settings
    dead_letter_each(kafka, send_documents(kafka, 1))
    create_topics(kafka, [ledger_topic(kafka)], partitions=1, options={"cleanup.policy": "delete"})
    with pytest.raises(ConfigurationError, match=r"cleanup\.policy"):
        replay(kafka, ALL)
    assert sent_back(kafka) == []


def test_a_topic_that_is_not_there_is_told(kafka_settings: KafkaSettings) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        replay(kafka_settings.model_copy(update={"dead_topic": "nowhere"}), ALL)
