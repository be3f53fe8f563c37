"""Reads the dead-letter topic: all letters that a filter asks for, or one by its position."""

from __future__ import annotations

from collections.abc import Iterator

from workers.deadletters.filters import LetterFilter
from workers.deadletters.letters import Letter, Position, letter_of
from workers.errors import ConfigurationError
from workers.settings import KafkaSettings
from workers.transport.base import Partition
from workers.transport.kafka_browser import TopicBrowser

Spans = dict[Partition, range]


def spans_of_letters(settings: KafkaSettings, browser: TopicBrowser) -> Spans:
    """What is in the dead-letter topic now. Raises ConfigurationError if there is no such topic."""
    spans = browser.spans(settings.dead_topic)
    if not spans:
        raise ConfigurationError(f"topic {settings.dead_topic} does not exist: correct kafka.dead_topic")
    return spans


def read_letters(browser: TopicBrowser, spans: Spans, wanted: LetterFilter) -> Iterator[Letter]:
    """Partition by partition, in order; nothing is kept, so it does not matter how many there are."""
    for record in browser.read(spans):
        letter = letter_of(record)
        if wanted.matches(letter):
            yield letter


def letter_at(settings: KafkaSettings, browser: TopicBrowser, position: Position) -> Letter:
    """Raises ConfigurationError if there is none."""
    if position.topic != settings.dead_topic:
        raise ConfigurationError(
            f"{position} is not in {settings.dead_topic}: correct the position, or kafka.dead_topic"
        )
    record = browser.record_at(Partition(position.topic, position.partition), position.offset)
    if record is None:
        raise ConfigurationError(f"there is no dead letter at {position}: `enrich dead-letters list` shows which are")
    return letter_of(record)
