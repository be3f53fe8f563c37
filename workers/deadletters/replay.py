"""Sends letters back to the input topic, each at most once, also when it is killed and called again.

The proof is the order of `replay`: 1 become the only writer, which ends every earlier one; 2 read the ledger, to which
nobody else can add from here on; 3 write each record and its ledger entry in one transaction. Why a ledger:
docs/decisions/0006-replaying-dead-letters.md.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from enum import StrEnum

from schemas import DeadLetter
from schemas.dead_letter import ATTEMPT_HEADER, MAX_ATTEMPT, REPLAY_HEADER
from workers.deadletters.filters import LetterFilter
from workers.deadletters.ledger import entry_of, prepare_ledger, replayed_before, writer_name
from workers.deadletters.letters import Letter, origin_of, original_headers, original_key, original_value
from workers.deadletters.reading import read_letters, spans_of_letters
from workers.errors import ConfigurationError, PublishFailed
from workers.settings import KafkaSettings
from workers.transport.base import OutgoingRecord
from workers.transport.kafka_admin import missing_topics
from workers.transport.kafka_atomic import PlacedRecord, Write, only_writer
from workers.transport.kafka_browser import TopicBrowser, topic_browser

MAX_LETTERS = 200  # in a transaction; workers wait behind an open one, so it should be short
MAX_BYTES = 4_194_304
OUR_MARKS = {REPLAY_HEADER, ATTEMPT_HEADER}


class Fate(StrEnum):
    """What a replay does with a letter."""

    REPLAYED = "replayed"
    EARLIER = "replayed before"
    UNREADABLE = "not replayable: not a dead letter of this version"
    ELSEWHERE = "not replayable: came from another topic than kafka.input_topic"
    GONE = "not replayable: its bytes were left out, and its original is gone"
    CHANGED = "not replayable: its bytes are not the ones that failed"


Tell = Callable[[Letter, Fate], None]
OpenWriter = Callable[[KafkaSettings, str], AbstractContextManager[Write]]


def replay(
    settings: KafkaSettings,
    wanted: LetterFilter,
    *,
    dry_run: bool = False,
    tell: Tell = lambda letter, fate: None,
    open_writer: OpenWriter = only_writer,
) -> Counter[Fate]:
    """How many letters met which fate; `tell` hears of each, of a replayed one once that is committed. A dry run
    writes nothing and stops nobody. Raises PublishFailed; then calling again goes on where this ended."""
    if missing := missing_topics(settings, (settings.input_topic, settings.dead_topic)):
        raise ConfigurationError(f"topic {', '.join(missing)} does not exist: correct kafka.*_topic")
    if not dry_run:
        prepare_ledger(settings)
    with ExitStack() as stack:
        write: Write = _write_nothing if dry_run else stack.enter_context(open_writer(settings, writer_name(settings)))
        browser = stack.enter_context(topic_browser(settings))
        originals = Originals(settings, stack.enter_context(topic_browser(settings)))
        run = Run(settings, originals, write, tell, done=replayed_before(settings, browser))
        # The end is taken now: what is replayed and fails again is for the next call.
        for letter in read_letters(browser, spans_of_letters(settings, browser), wanted):
            run.take(letter)
        run.publish()
        return run.fates


@dataclass(frozen=True, slots=True)
class Originals:
    """Finds the bytes that failed."""

    settings: KafkaSettings
    browser: TopicBrowser

    def find(self, letter: DeadLetter) -> bytes | Fate:
        """From the letter, or else from where it came from; whichever, only if the digest is right."""
        partition, offset = origin_of(letter)
        if partition.topic != self.settings.input_topic:
            return Fate.ELSEWHERE
        try:
            value = original_value(letter)
        except ValueError:
            return Fate.CHANGED
        if value is None:
            record = self.browser.record_at(partition, offset)
            if record is None:
                return Fate.GONE
            value = record.value or b""
        return value if hashlib.sha256(value).hexdigest() == letter.payload.sha256 else Fate.CHANGED


@dataclass(slots=True)
class Run:
    """One replay under way: letters wait until a transaction is worth its while."""

    settings: KafkaSettings
    originals: Originals
    write: Write
    tell: Tell
    done: set[str]
    fates: Counter[Fate] = field(default_factory=Counter)
    waiting: list[tuple[Letter, list[PlacedRecord]]] = field(default_factory=list)
    waiting_bytes: int = 0

    def take(self, letter: Letter) -> None:
        fate = self._prepare(letter)
        if fate is not Fate.REPLAYED:
            self._settle(letter, fate)
        elif len(self.waiting) >= MAX_LETTERS or self.waiting_bytes >= MAX_BYTES:
            self.publish()

    def publish(self) -> None:
        if not self.waiting:
            return
        try:
            self.write([record for _, records in self.waiting for record in records])
        except PublishFailed as error:
            so_far = f"{self.fates[Fate.REPLAYED]} letters were replayed before"
            raise PublishFailed(f"{error}; {so_far}: call it again, none is replayed twice") from error
        for letter, _ in self.waiting:
            self._settle(letter, Fate.REPLAYED)
        self.waiting.clear()
        self.waiting_bytes = 0

    def _prepare(self, letter: Letter) -> Fate:
        if letter.content is None:
            return Fate.UNREADABLE
        if letter.identity in self.done:
            return Fate.EARLIER
        value = self.originals.find(letter.content)
        if isinstance(value, Fate):
            return value
        try:
            records = records_of(letter, letter.content, value, self.settings)
        except ValueError:  # key or headers are no base64
            return Fate.UNREADABLE
        self.waiting.append((letter, records))
        self.waiting_bytes += len(value)
        return Fate.REPLAYED

    def _settle(self, letter: Letter, fate: Fate) -> None:
        self.fates[fate] += 1
        self.tell(letter, fate)


def records_of(letter: Letter, content: DeadLetter, value: bytes, settings: KafkaSettings) -> list[PlacedRecord]:
    """The original, marked, in the partition it was in, and the ledger's entry. The original's time is not kept: the
    broker's retention could delete the record before anybody reads it. Raises ValueError."""
    attempt = min(content.attempts + 1, MAX_ATTEMPT)
    theirs = tuple(header for header in original_headers(content) if header[0].lower() not in OUR_MARKS)
    marks = ((REPLAY_HEADER, str(letter.position).encode()), (ATTEMPT_HEADER, b"%d" % attempt))
    again = OutgoingRecord(settings.input_topic, original_key(content), value, (*theirs, *marks))
    return [PlacedRecord(again, content.origin.partition), PlacedRecord(entry_of(letter, settings, attempt=attempt))]


def _write_nothing(records: object) -> None:
    """What a dry run writes."""
