"""Deleting the oldest letters: exactly those, with their numbers told first."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.fakes.letters import dead_letter_each, send_documents
from workers.deadletters.filters import LetterFilter
from workers.deadletters.letters import Position
from workers.deadletters.purge import Cut, plan_cuts, purge
from workers.deadletters.replay import Fate, replay
from workers.errors import ConfigurationError
from workers.settings import KafkaSettings
from workers.transport.base import IncomingRecord
from workers.transport.kafka_admin import read_all
from workers.transport.kafka_browser import topic_browser

pytestmark = pytest.mark.kafka


def letters_on(kafka: KafkaSettings) -> list[IncomingRecord]:
    return read_all(kafka, [kafka.dead_topic])


def test_what_is_older_than_a_moment_goes_from_every_partition(kafka_settings: KafkaSettings) -> None:
    kafka = kafka_settings
    dead_letter_each(kafka, send_documents(kafka, 10))
    old = letters_on(kafka)
    replay(kafka, LetterFilter(positions=frozenset({Position(kafka.dead_topic, old[0].partition.number, 0)})))
    moment_ms = max(record.timestamp_ms or 0 for record in old) + 1
    while time.time_ns() // 1_000_000 < moment_ms:
        time.sleep(0.001)
    dead_letter_each(kafka, send_documents(kafka, 5, start=10))
    both = letters_on(kafka)
    young = [record for record in both if (record.timestamp_ms or 0) >= moment_ms]
    assert len(both) == len(old) + len(young)
    with topic_browser(kafka) as browser:
        cuts = plan_cuts(kafka, browser, moment_ms)
    assert {cut.partition: cut.letters for cut in cuts} == Counter(record.partition for record in old)
    assert sum(cut.never_replayed for cut in cuts) == 9
    assert letters_on(kafka) == both  # planning deletes nothing
    purge(kafka, cuts)
    assert letters_on(kafka) == young
    assert replay(kafka, LetterFilter()) == {Fate.REPLAYED: len(young)}


def test_a_position_cuts_its_own_partition_only(kafka_settings: KafkaSettings) -> None:
    kafka = kafka_settings
    dead_letter_each(kafka, send_documents(kafka, 10))
    before = letters_on(kafka)
    chosen = [record for record in before if record.partition == before[-1].partition][1]
    with topic_browser(kafka) as browser:
        cuts = plan_cuts(kafka, browser, Position(kafka.dead_topic, chosen.partition.number, chosen.offset))
        assert cuts == [Cut(chosen.partition, chosen.offset, 1, 1)]
        purge(kafka, cuts)
        assert plan_cuts(kafka, browser, Position(kafka.dead_topic, chosen.partition.number, 0)) == []
    kept = [record for record in before if record.partition != chosen.partition or record.offset >= chosen.offset]
    assert letters_on(kafka) == kept


def test_a_position_beyond_the_end_cuts_all_of_its_partition(kafka_settings: KafkaSettings) -> None:
    kafka = kafka_settings
    dead_letter_each(kafka, send_documents(kafka, 4))
    partition = letters_on(kafka)[0].partition
    with topic_browser(kafka) as browser:
        purge(kafka, plan_cuts(kafka, browser, Position(kafka.dead_topic, partition.number, 10**9)))
    assert [record for record in letters_on(kafka) if record.partition == partition] == []


@pytest.mark.parametrize("position", ["{topic}/99/0", "elsewhere/0/0"])
def test_a_position_in_no_partition_of_the_topic_is_refused(kafka_settings: KafkaSettings, position: str) -> None:
    kafka = kafka_settings
    with topic_browser(kafka) as browser, pytest.raises(ConfigurationError, match="in no partition"):
        plan_cuts(kafka, browser, Position.parse(position.format(topic=kafka.dead_topic)))
