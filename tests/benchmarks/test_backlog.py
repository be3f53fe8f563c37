"""What the benchmark of the backlog metric makes of scrapes."""

from __future__ import annotations

import pytest

from benchmarks.backlog import FIRST, Drain, rows_of
from benchmarks.report import Spread
from benchmarks.scrape import Scrape
from workers.telemetry import names


def seen(*, done: int, said_s: float, measured: bool = True) -> Scrape:
    return Scrape(
        (
            (names.DOCUMENTS.name, {"outcome": "enriched"}, done - 1.0),
            (names.DOCUMENTS.name, {"outcome": "dead_letter"}, 1.0),
            (names.LAG.name, {"topic": "t", "partition": "0"}, 100.0 - done),
            (names.BACKLOG_SECONDS.name, {}, said_s),
            (names.CAPACITY_MEASURED.name, {}, float(measured)),
        )
    )


DRAIN = Drain(
    documents=100,
    scrapes=[
        (0.0, seen(done=1, said_s=40.0, measured=False)),
        (10.0, seen(done=20, said_s=81.0)),
        (11.0, seen(done=21, said_s=80.0)),
        (30.0, seen(done=40, said_s=70.0)),
        (60.0, seen(done=60, said_s=40.0)),
    ],
    ended_s=100.0,
)


def test_each_moment_counts_once_and_only_what_was_measured() -> None:
    assert DRAIN.errors() == {FIRST: (81.0, 90.0), "25% done": (70.0, 70.0), "50% done": (40.0, 40.0)}
    assert DRAIN.assumed == 40.0


def test_the_error_is_of_what_was_needed() -> None:
    (first, *_) = rows_of([DRAIN, DRAIN])
    assert first[0] == FIRST
    assert isinstance(first[3], Spread)
    assert first[3].median == pytest.approx(-10.0)


def test_a_worker_that_never_measured_is_no_result() -> None:
    with pytest.raises(SystemExit, match="ask for more --documents"):
        rows_of([Drain(100, DRAIN.scrapes[:1], 50.0)])
