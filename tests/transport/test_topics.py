"""A topic that goes away while nothing gets done stops the worker; a broker that goes away does not."""

from __future__ import annotations

import pytest

from tests.fakes.clock import FakeClock
from workers.errors import ConfigurationError, DependencyError
from workers.transport.topics import TopicWatch


class Broker:
    def __init__(self) -> None:
        self.missing: tuple[str, ...] = ()
        self.problem: Exception | None = None
        self.asked = 0

    def look(self) -> tuple[str, ...]:
        self.asked += 1
        if self.problem is not None:
            raise self.problem
        return self.missing


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def watch(broker: Broker, clock: FakeClock) -> TopicWatch:
    return TopicWatch(broker.look, lambda missing: ConfigurationError(f"no {missing}"), clock=clock, after_s=20.0)


def look_after(watch: TopicWatch, clock: FakeClock, seconds: float) -> None:
    clock.advance(seconds)
    watch.check()
    if watch._thread is not None:
        watch._thread.join(10.0)


def test_who_makes_progress_asks_nobody(watch: TopicWatch, broker: Broker, clock: FakeClock) -> None:
    for _ in range(10):
        look_after(watch, clock, 15.0)
        watch.progress()
    assert broker.asked == 0


def test_a_topic_missing_twice_is_told_and_once_is_not(watch: TopicWatch, broker: Broker, clock: FakeClock) -> None:
    broker.missing = ("gone",)
    look_after(watch, clock, 20.0)
    broker.missing = ()
    look_after(watch, clock, 20.0)
    broker.missing = ("gone",)
    look_after(watch, clock, 20.0)
    look_after(watch, clock, 20.0)
    with pytest.raises(ConfigurationError, match="gone"):
        watch.check()
    assert broker.asked == 4


def test_a_broker_that_is_away_is_asked_again(watch: TopicWatch, broker: Broker, clock: FakeClock) -> None:
    broker.problem = DependencyError("nobody there")
    for _ in range(3):
        look_after(watch, clock, 20.0)
    watch.check()
    assert broker.asked == 3


def test_a_topic_that_may_not_be_seen_any_more_is_told(watch: TopicWatch, broker: Broker, clock: FakeClock) -> None:
    broker.problem = ConfigurationError("denied")
    look_after(watch, clock, 20.0)
    with pytest.raises(ConfigurationError, match="denied"):
        watch.check()
