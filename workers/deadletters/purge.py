"""Deletes dead letters for good, from the oldest up to a position or a moment. The broker can only cut off the front of
a partition, so other filters cannot apply.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workers.deadletters.ledger import replayed_before
from workers.deadletters.letters import Letter, Position, letter_of
from workers.deadletters.reading import spans_of_letters
from workers.errors import ConfigurationError
from workers.settings import KafkaSettings
from workers.transport.base import Partition
from workers.transport.kafka_admin import delete_before
from workers.transport.kafka_browser import TopicBrowser


@dataclass(frozen=True, slots=True)
class Cut:
    """What goes from one partition: the letters in front of `offset`."""

    partition: Partition
    offset: int
    letters: int
    never_replayed: int


def plan_cuts(settings: KafkaSettings, browser: TopicBrowser, before: Position | int) -> list[Cut]:
    """One cut per partition that loses letters: in front of a position, in its partition, or in front of the first
    letter that is not older than a moment, in ms since 1970. Raises ConfigurationError for a foreign position."""
    done = replayed_before(settings, browser)
    spans = spans_of_letters(settings, browser)
    if isinstance(before, Position):
        partition = Partition(before.topic, before.partition)
        if partition not in spans:
            raise ConfigurationError(f"{before} is in no partition of {settings.dead_topic}: correct the position")
        span = spans[partition]
        spans = {partition: range(span.start, max(span.start, min(before.offset, span.stop)))}
    cuts = []
    for partition, span in spans.items():
        letters = (letter_of(record) for record in browser.read({partition: span}))
        cut = _cut(partition, span, letters, None if isinstance(before, Position) else before, done)
        if cut.letters:
            cuts.append(cut)
    return cuts


def purge(settings: KafkaSettings, cuts: Iterable[Cut]) -> None:
    delete_before(settings, {cut.partition: cut.offset for cut in cuts})


def _cut(partition: Partition, span: range, letters: Iterable[Letter], before_ms: int | None, done: set[str]) -> Cut:
    """A letter without a time counts as young: it and everything behind it stays."""
    count = never = 0
    for letter in letters:
        if before_ms is not None and (letter.timestamp_ms is None or letter.timestamp_ms >= before_ms):
            return Cut(partition, letter.position.offset, count, never)
        count += 1
        never += letter.identity not in done
    return Cut(partition, span.stop, count, never)
