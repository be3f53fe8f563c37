"""A shifted stream raises one alert within two windows, an unshifted hour none, and both survive a restart."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from schemas import DriftAlert, DriftState
from tests.fakes.clock import FakeClock
from tests.fakes.enriched_records import enriched
from tests.fakes.page_server import NOW_S, Served, new_state
from workers.insights.drift import DriftMonitor
from workers.insights.state import Insights
from workers.insights.tally import Tally
from workers.settings import InsightsSettings

USUAL = {"science": 0.4, "sport": 0.3, "politics": 0.2, "business": 0.1}
SHIFTED = {"science": 0.1, "sport": 0.2, "politics": 0.1, "business": 0.6}
WINDOW_S = 600
STEP_S = 5


class Stream:
    """A document every five seconds of a fake clock, as the application sees it: receive, take, watch, tell, write."""

    def __init__(self, **options: object) -> None:
        self.served: Served = new_state(**options)
        self.served.state.load({})
        self.rng = random.Random(7)
        self.table: dict[str, Any] = {}
        self.alerts: list[DriftAlert] = []

    def run(self, seconds: int, labels: dict[str, float]) -> list[DriftAlert]:
        """The alerts of this stretch."""
        before = len(self.alerts)
        for number in range(seconds // STEP_S):
            self.served.clock.advance(STEP_S)
            name = self.rng.choices(list(labels), list(labels.values()))[0]
            text = f"Ada met Bob. {'It rained. ' * self.rng.randrange(1, 30)}"
            score = self.rng.uniform(0.5, 1)
            self.served.publish(enriched(text=text, marked=[("Ada", "PER")], label=name, score=score))
            self.served.state.took(1)
            told = self.served.state.watch()
            self.served.state.told(told)
            self.alerts += told
            if told or number % 24 == 23:
                self.table |= self.served.state.changes()
        self.table |= self.served.state.changes()
        return self.alerts[before:]

    def restart(self) -> None:
        """A new process: what the table holds, and nothing else."""
        kept = {key: json.loads(json.dumps(value)) for key, value in self.table.items() if value is not None}
        old = self.served
        self.served.state = Insights(old.state.kafka, old.state.settings, clock=old.clock)
        self.served.state.load(kept)


LEARNED = {"drift_reference_windows": 2, "drift_window_s": WINDOW_S, "drift_min_documents": 100}


def test_a_shift_raises_one_alert_within_two_windows_and_is_cleared_once() -> None:
    stream = Stream(**LEARNED)
    assert stream.run(2 * WINDOW_S + 3_600, USUAL) == []  # an hour as usual, after what was learned
    alerts = stream.run(2 * WINDOW_S, SHIFTED)
    assert [(alert.measure, alert.state) for alert in alerts] == [("labels", DriftState.RAISED)]
    assert alerts[0].psi > alerts[0].limit >= 0.25
    assert alerts[0].shares[0].bucket == "business"
    assert stream.run(3_600, SHIFTED) == []  # once is enough
    back = stream.run(5 * WINDOW_S, USUAL)
    assert [(alert.measure, alert.state) for alert in back] == [("labels", DriftState.CLEARED)]
    assert len({alert.id for alert in stream.alerts}) == 2


def test_a_restart_neither_forgets_the_reference_nor_tells_again() -> None:
    stream = Stream(**LEARNED)
    stream.run(3 * WINDOW_S, USUAL)
    stream.restart()
    assert not stream.served.state.drift.learning
    assert [alert.measure for alert in stream.run(2 * WINDOW_S, SHIFTED)] == ["labels"]
    stream.restart()
    assert stream.run(3 * WINDOW_S, SHIFTED) == []
    assert [alert.state for alert in stream.served.state.alerts] == [DriftState.RAISED]


def test_a_window_with_few_documents_says_and_learns_nothing() -> None:
    stream = Stream(**LEARNED | {"drift_min_documents": 10_000})
    assert stream.run(4 * WINDOW_S, USUAL) == []
    assert stream.served.state.drift.windows_learned == 0


def test_nothing_is_compared_while_old_records_are_read() -> None:
    stream = Stream(**LEARNED)
    state = stream.served.state
    stream.run(3 * WINDOW_S, USUAL)
    stream.served.clock.advance(WINDOW_S)
    state.took(state.settings.batch_records)
    before = state.drift.next_start_s
    assert state.watch() == []
    assert state.drift.next_start_s == before
    state.took(1)
    state.watch()
    assert state.drift.next_start_s != before


def test_a_pinned_reference_is_not_learned_over() -> None:
    settings = InsightsSettings(drift_min_documents=50)
    monitor = DriftMonitor(settings, pinned={"labels": {"science": 900, "sport": 100}})
    monitor.load(DriftMonitor(settings).dump())
    window = Tally(counts={"enriched": 1_000}, mixes={"labels": {"science": 100, "sport": 900}})
    assert [alert.measure for alert in monitor.compare(0, 600, window)] == ["labels"]
    assert monitor.reference == {"labels": {"science": 900, "sport": 100}}


def test_a_window_can_be_made_the_reference_and_stays_it_over_a_restart() -> None:
    stream = Stream(**LEARNED)
    stream.run(3 * WINDOW_S, USUAL)
    assert [alert.state for alert in stream.run(2 * WINDOW_S, SHIFTED)] == [DriftState.RAISED]
    stream.run(3_600, SHIFTED)
    stream.served.state.pin("hour")
    assert [alert.state for alert in stream.run(3 * WINDOW_S, SHIFTED)] == [DriftState.CLEARED]  # usual by now
    stream.restart()
    assert stream.served.state.drift.pinned_at_s is not None
    assert [(a.measure, a.state) for a in stream.run(2 * WINDOW_S, USUAL)] == [("labels", DriftState.RAISED)]


def test_too_few_documents_and_a_given_reference_are_not_pinned_over() -> None:
    few = Stream(**LEARNED)
    few.run(60, USUAL)
    with pytest.raises(ValueError, match="too few"):
        few.served.state.pin("hour")
    assert few.served.state.drift.learning
    given = DriftMonitor(InsightsSettings(), pinned={"labels": {"a": 900}})
    with pytest.raises(ValueError, match="--reference"):
        given.pin(Tally(counts={"enriched": 1_000}), at_s=0.0)


@pytest.mark.parametrize("shares", [(0.36, 0.20, 0.36, 0.20, 0.36)])
def test_an_index_that_dances_around_the_limits_is_told_once(shares: tuple[float, ...]) -> None:
    monitor = DriftMonitor(InsightsSettings(), pinned={"labels": {"a": 5_000, "b": 95_000}})
    states = []
    for number, share in enumerate(shares):
        window = Tally(
            counts={"enriched": 1_000}, mixes={"labels": {"a": int(1_000 * share), "b": int(1_000 * (1 - share))}}
        )
        states += [alert.state for alert in monitor.compare(number * 600, number * 600 + 600, window)]
    assert states == [DriftState.RAISED]


def test_windows_follow_each_other_without_gap() -> None:
    monitor, clock = DriftMonitor(InsightsSettings()), FakeClock(NOW_S)
    assert list(monitor.due(clock())) == []
    clock.advance(3 * WINDOW_S)
    due = list(monitor.due(clock()))
    assert [end - start for start, end in due] == [WINDOW_S] * len(due)
    assert [start for start, _ in due[1:]] == [end for _, end in due[:-1]]
    assert list(monitor.due(clock())) == []
