"""Which letters were replayed: a compacted topic beside the dead letters, one entry per letter, written in the same
transaction as the replayed record. Its entries are never taken back.
"""

from __future__ import annotations

import orjson

from workers.deadletters.letters import Letter
from workers.errors import ConfigurationError
from workers.settings import KafkaSettings
from workers.transport.base import OutgoingRecord
from workers.transport.kafka_admin import create_topics, topic_option
from workers.transport.kafka_browser import TopicBrowser

FOR_GOOD = "compact"


def ledger_topic(settings: KafkaSettings) -> str:
    return f"{settings.dead_topic}.replayed"


def writer_name(settings: KafkaSettings) -> str:
    """The transactional id. It follows from the dead-letter topic alone, whatever group or prefix is configured: two
    replays of one topic must get in each other's way."""
    return f"{settings.dead_topic}.replay"


def prepare_ledger(settings: KafkaSettings) -> None:
    """Make the topic if it is not there. Raises ConfigurationError if the broker would forget its entries."""
    topic = ledger_topic(settings)
    create_topics(settings, [topic], partitions=1, options={"cleanup.policy": FOR_GOOD})
    policy = topic_option(settings, topic, "cleanup.policy")
    if policy != FOR_GOOD:
        raise ConfigurationError(
            f"topic {topic} has cleanup.policy={policy}, so what was replayed would be forgotten and replayed again: "
            f"set it to {FOR_GOOD}"
        )


def replayed_before(settings: KafkaSettings, browser: TopicBrowser) -> set[str]:
    """The identities of all letters that were replayed; none if there is no ledger yet."""
    entries = browser.read(browser.spans(ledger_topic(settings)))
    return {entry.key.decode("utf-8", "replace") for entry in entries if entry.key is not None}


def entry_of(letter: Letter, settings: KafkaSettings, *, attempt: int) -> OutgoingRecord:
    value = orjson.dumps({"to": settings.input_topic, "attempt": attempt})
    return OutgoingRecord(ledger_topic(settings), letter.identity.encode(), value)
