"""Every record is counted once, whatever is lost before the counter, and whatever a crash leaves unwritten."""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from tests.fakes.enriched_records import enriched
from tests.fakes.leaky_consumer import Changelog, LeakyConsumer, Message
from workers.insights.chain import Chain, Partition
from workers.insights.counter import AGAIN_S, Counter, delivered
from workers.insights.state import Insights, scope_of
from workers.settings import InsightsSettings, KafkaSettings

NOW_S = 1_800_000_000.0
KAFKA, SETTINGS = KafkaSettings(), InsightsSettings(batch_records=3)
LABELS = ("science", "sport")

# A log is a label for each record, None for an offset without one.
LOGS = st.lists(st.lists(st.sampled_from([0, 1, 0, 1, None]), min_size=5, max_size=12), min_size=1, max_size=3)
STEPS = st.lists(
    st.tuples(st.sampled_from(["read", "take", "lose", "settle", "wait", "crash"]), st.integers(1, 3)),
    min_size=8,
    max_size=30,
)


@cache
def value(label: str) -> bytes:
    return enriched(label=label).model_dump_json().encode()


def messages(logs: list[list[int | None]]) -> dict[Partition, list[Message | None]]:
    topic = KAFKA.enriched_topic
    return {
        (topic, number): [
            None if label is None else Message(topic, number, offset, value(LABELS[label]), NOW_S)
            for offset, label in enumerate(log)
        ]
        for number, log in enumerate(logs)
    }


class Application:
    """The counter on a leaky consumer; what was written outlives a crash, but for the end of it."""

    def __init__(self, logs: dict[Partition, list[Message | None]]) -> None:
        self.logs, self.clock, self.table = logs, FakeClock(NOW_S), Changelog()
        self.start()

    def start(self) -> None:
        self.state = Insights(KAFKA, SETTINGS, clock=self.clock)
        self.state.load(dict(self.table))
        self.consumer = LeakyConsumer(self.logs)
        self.consumer.start({partition: self.state.position(scope_of(*partition)) for partition in self.logs})
        self.counter = Counter(self.state, self.table, self.consumer.chain, self.consumer.seek, clock=self.clock)

    def step(self, what: str, count: int) -> None:
        match what:
            case "read":
                self.consumer.read(count)
            case "take":
                for event in self.consumer.events(count):
                    self.counter.take(event)
            case "lose":
                self.consumer.lose(count)
            case "settle":
                self.counter.settle()
            case "wait":
                self.clock.now_s += AGAIN_S
                asyncio.run(self.counter.read_again())
            case "crash":
                self.table = Changelog(self.table.written[: -count or None])
                self.start()

    def finish(self) -> None:
        """Nothing is lost any more."""
        for _ in range(3):
            for what in ("wait", "read", "take", "settle"):
                self.step(what, 1_000)


@given(logs=LOGS, steps=STEPS)
def test_each_is_counted_once(logs: list[list[int | None]], steps: list[tuple[str, int]]) -> None:
    application = Application(messages(logs))
    for what, count in steps:
        application.step(what, count)
    application.finish()
    wanted = Tally(LABELS[label] for log in logs for label in log if label is not None)
    total = application.state.ledger.total()
    assert total.counts.get("records", 0) == wanted.total()
    assert dict(total.mixes.get("labels", {})) == dict(wanted)


def test_what_is_lost_with_nothing_behind_it_is_read_again() -> None:
    application = Application(messages([[0, 1, None]]))
    for what, count in (("read", 2), ("take", 1), ("lose", 1)):
        application.step(what, count)
    application.finish()
    assert application.state.ledger.total().counts["records"] == 2
    assert application.consumer.seeks == 1


@given(logs=LOGS)
def test_where_nothing_is_lost_nothing_is_read_twice(logs: list[list[int | None]]) -> None:
    application = Application(messages(logs))
    application.finish()
    assert application.consumer.seeks == 0


def test_what_was_counted_is_acknowledged_when_it_is_written() -> None:
    application = Application(messages([[0, 1]]))
    application.consumer.read(2)
    events = list(application.consumer.queue)
    application.step("take", 2)
    assert [event.acked for event in events] == [False, False]
    application.step("settle", 1)
    assert [event.acked for event in events] == [True, True]
    assert application.table[f"position|{KAFKA.enriched_topic}/0"] == {"next": 2}


def test_a_verdict_that_comes_again_is_not_put_over_a_later_one() -> None:
    """What is before the position is in the table."""
    application = Application({(SETTINGS.corrections_topic, 0): []})
    message = Message(SETTINGS.corrections_topic, 0, 4, b"no correction", NOW_S)
    application.consumer.logs[SETTINGS.corrections_topic, 0] = [None] * 4 + [message]
    application.finish()
    application.state.receive(delivered(message))
    assert application.state.verdicts.invalid == 1


def test_a_jump_is_right_only_from_where_everything_was_counted() -> None:
    chain, partition = Chain(), ("t", 0)
    chain.sought(partition, 5)
    chain.read(partition, [5, 8])
    assert chain.follows(partition, 5, position=5)
    assert not chain.follows(partition, 8, position=5)  # 5 was lost
    chain.sought(partition, 5)
    chain.read(partition, [5, 8])
    assert chain.follows(partition, 8, position=6)
    assert chain.ends() == {partition: 9}
