"""Seconds of backlog, against a worker whose device is a clock: what the meter says is what the clock then takes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from tests.fakes.recorders import a_load, an_epoch
from workers.telemetry.backlog import BYTES_PER_TOKEN, ENOUGH_S, HALF_LIFE_S, BacklogMeter


class ClockWorker:
    """Takes epochs of up to `most` documents, each document `tokens` long, at `tokens_per_s`."""

    def __init__(self, *, tokens_per_s: float, tokens: int = 100, most: int = 32, assumed: float | None = None) -> None:
        self.clock = FakeClock()
        self.meter = BacklogMeter(assumed_tokens=254.0, assumed_tokens_per_s=assumed, clock=self.clock)
        self.tokens_per_s, self.tokens, self.most = tokens_per_s, tokens, most
        self.lag = 0

    def tell(self) -> None:
        self.meter.standing(a_load(self.lag, documents=min(self.lag, 3 * self.most)))

    def epoch(self) -> None:
        count = min(self.lag, self.most)
        self.clock.advance(count * self.tokens / self.tokens_per_s)
        self.lag -= count
        self.meter.committed(an_epoch(enriched=count, dead=0, tokens=count * self.tokens))
        self.tell()

    def idle(self, seconds: float) -> None:
        self.tell()
        self.clock.advance(seconds)


def measured(worker: ClockWorker) -> None:
    while not worker.meter.measured:
        worker.epoch()
        assert worker.lag, "too little work: the test shows nothing"


@given(speed=st.floats(100, 50_000), tokens=st.integers(10, 2_000), assumed=st.floats(1, 1e6))
def test_once_measured_it_says_what_the_clock_takes_whatever_was_assumed(
    speed: float, tokens: int, assumed: float
) -> None:
    worker = ClockWorker(tokens_per_s=speed, tokens=tokens, assumed=assumed)
    meter = worker.meter
    worker.lag = int(20 + 10 * (ENOUGH_S + 1) * speed / tokens) + 40 * worker.most
    worker.tell()
    measured(worker)
    said_s, began_s = meter.backlog_s, worker.clock()
    while worker.lag:
        worker.epoch()
    assert said_s == pytest.approx(worker.clock() - began_s, rel=0.05)
    assert meter.backlog_s == 0.0


@given(speeds=st.lists(st.floats(100, 10_000), min_size=2, max_size=6), share=st.integers(100, 10_000))
def test_the_sum_over_workers_is_the_work_and_the_maximum_is_when_all_have_caught_up(
    speeds: list[float], share: int
) -> None:
    said = []
    for speed in speeds:
        meter = BacklogMeter(assumed_tokens=100.0, assumed_tokens_per_s=speed, clock=FakeClock())
        meter.standing(a_load(share))
        said.append(meter.backlog_s or 0.0)
    needed = [share * 100 / speed for speed in speeds]
    assert sum(said) == pytest.approx(sum(needed))
    assert max(said) == pytest.approx(max(needed))


@given(lags=st.lists(st.integers(0, 100_000), min_size=2, unique=True))
def test_more_lag_is_more_backlog(lags: list[int]) -> None:
    meter = BacklogMeter(assumed_tokens=254.0, assumed_tokens_per_s=4_000.0)
    said = []
    for lag in sorted(lags):
        meter.standing(a_load(lag))
        said.append(meter.backlog_s or 0.0)
    assert all(less < more for less, more in pairwise(said))


def test_a_worker_with_little_to_do_does_not_take_that_for_its_speed() -> None:
    worker = ClockWorker(tokens_per_s=1_000.0)
    worker.lag = 1_000
    worker.tell()
    measured(worker)
    while worker.lag:
        worker.epoch()
    before = worker.meter.tokens_per_s
    for _ in range(200):  # one document every ten seconds
        worker.idle(10.0)
        worker.lag = 1
        worker.epoch()
    assert worker.meter.tokens_per_s == before
    assert worker.meter.backlog_s == 0.0


def test_the_time_of_a_fault_is_not_work() -> None:
    worker = ClockWorker(tokens_per_s=1_000.0)
    worker.lag = 10_000
    worker.tell()
    measured(worker)
    before = worker.meter.tokens_per_s
    worker.meter.aborted()
    worker.clock.advance(3_600)  # no broker
    worker.epoch()
    worker.epoch()
    assert worker.meter.tokens_per_s == pytest.approx(before)


def test_a_worker_that_became_slower_says_so_after_some_half_lives() -> None:
    worker = ClockWorker(tokens_per_s=1_000.0)
    worker.lag = 100_000
    worker.tell()
    for _ in range(100):
        worker.epoch()
    worker.tokens_per_s, began_s = 500.0, worker.clock()
    while worker.clock() - began_s < 4 * HALF_LIFE_S:
        worker.epoch()
    assert worker.meter.tokens_per_s == pytest.approx(500.0, rel=0.1)


def test_tombstones_and_dead_letters_make_documents_shorter_on_average() -> None:
    meter = BacklogMeter(assumed_tokens=254.0)
    meter.committed(an_epoch(enriched=1, dead=1, tombstones=2, tokens=400))
    assert meter.tokens_per_document == 100.0


def test_what_is_under_way_is_counted_as_done_with_time_but_never_more_than_that() -> None:
    clock = FakeClock()
    meter = BacklogMeter(assumed_tokens=100.0, assumed_tokens_per_s=100.0, clock=clock)
    meter.committed(an_epoch(enriched=10, dead=0, tokens=1_000))
    meter.standing(a_load(100, documents=30))
    assert meter.backlog_s == 100.0
    clock.advance(10.0)
    assert meter.backlog_s == 90.0
    clock.advance(1_000.0)  # it hangs
    assert meter.backlog_s == 70.0
    meter.aborted()
    assert meter.backlog_s == 100.0


def test_what_models_have_answered_and_what_is_only_to_be_published_is_done() -> None:
    clock = FakeClock()
    meter = BacklogMeter(assumed_tokens=100.0, assumed_tokens_per_s=100.0, clock=clock)
    meter.standing(replace(a_load(100, documents=30), answered_tokens=700, answered=10))
    meter.committed(an_epoch(enriched=10, dead=0, tokens=1_000))
    assert meter.backlog_s == 100.0 - 7.0 - 10.0
    clock.advance(5.0)
    assert meter.backlog_s == 100.0 - 22.0
    meter.standing(replace(a_load(90, documents=20), answered_tokens=900))  # it was told anew: nothing is counted twice
    assert meter.backlog_s == 90.0 - 9.0


def test_epochs_that_end_together_are_measured_together() -> None:
    """Three commits in a moment and then none for long: the moments are not how fast it is."""
    clock = FakeClock()
    meter = BacklogMeter(assumed_tokens=100.0, clock=clock)
    for _ in range(5):
        for second in range(1, 10):
            clock.advance(1.0)
            meter.standing(replace(a_load(10_000, documents=96), answered_tokens=1_000 * second))
            if meter.measured:
                assert meter.tokens_per_s == pytest.approx(1_000.0)
        clock.advance(0.6)
        for done in (1, 2, 3):
            meter.committed(an_epoch(enriched=32, dead=0, tokens=3_200))
            meter.standing(replace(a_load(10_000, documents=96), answered_tokens=9_600 - 3_200 * done))
    assert meter.measured


def test_before_the_first_commit_documents_under_way_tell_how_long_they_are() -> None:
    meter = BacklogMeter(assumed_tokens=254.0)
    meter.standing(a_load(1_000))
    assert meter.tokens_per_document == 254.0
    meter.standing(a_load(1_000, documents=10))
    assert meter.tokens_per_document == 100 / BYTES_PER_TOKEN


def test_an_epoch_without_tokens_leaves_what_was_assumed() -> None:
    meter = BacklogMeter(assumed_tokens=254.0)
    meter.committed(an_epoch(enriched=0, dead=4, tokens=0))
    assert meter.tokens_per_document == 254.0
