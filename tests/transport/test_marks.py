"""Lag, as a member knows it."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fakes.clock import FakeClock
from workers.errors import DependencyError
from workers.transport.base import IncomingRecord, Partition
from workers.transport.marks import ENDS_S, Marks
from workers.transport.membership import Tenures

P, Q = Partition("documents", 0), Partition("documents", 1)


def record(offset: int, partition: Partition = P) -> IncomingRecord:
    return IncomingRecord(partition, offset, None, None, b"")


class Ends:
    """A broker's answers."""

    def __init__(self, ends: Mapping[Partition, int]) -> None:
        self.ends = ends
        self.away = False
        self.asked = 0

    def __call__(self) -> Mapping[Partition, int]:
        self.asked += 1
        if self.away:
            raise DependencyError("no broker answers")
        return self.ends


def test_what_was_read_and_not_committed_still_lags() -> None:
    marks, ends = Marks(Tenures()), Ends({P: 20})
    marks.read([record(5), record(6), record(7)])
    assert marks.lag({P: 8}, ends) == {P: 15}
    marks.committed({P: 7})
    assert marks.lag({P: 8}, ends) == {P: 13}
    marks.committed({P: 20})
    assert marks.lag({P: 20}, ends) == {P: 0}


def test_where_nothing_was_read_the_position_counts_and_what_is_not_known_is_left_out() -> None:
    third = Partition("documents", 2)
    assert Marks(Tenures()).lag({P: 4, Q: None, third: 3}, Ends({P: 9, Q: 9})) == {P: 5}


def test_a_partition_that_went_and_came_back_starts_anew() -> None:
    tenures, ends = Tenures(), Ends({P: 50})
    marks = Marks(tenures)
    marks.read([record(5)])
    marks.committed({P: 6})
    tenures.count([P])
    tenures.count([P])
    assert marks.lag({P: 40}, ends) == {P: 10}
    marks.read([record(40)])
    marks.committed({P: 45})
    assert marks.lag({P: 50}, ends) == {P: 5}


def test_an_end_from_before_the_last_commit_is_no_negative_lag() -> None:
    marks = Marks(Tenures())
    marks.committed({P: 30})
    assert marks.lag({P: 30}, Ends({P: 25})) == {P: 0}


def test_ends_are_asked_for_once_in_a_while_and_at_once_for_a_new_partition() -> None:
    clock = FakeClock()
    marks, ends = Marks(Tenures(), clock=clock), Ends({P: 10})
    assert marks.lag({}, ends) == {}
    assert ends.asked == 0
    for _ in range(3):
        assert marks.lag({P: 0}, ends) == {P: 10}
    assert ends.asked == 1
    ends.ends = {P: 12, Q: 7}
    assert marks.lag({P: 0, Q: 0}, ends) == {P: 12, Q: 7}
    clock.advance(ENDS_S)
    marks.lag({P: 0, Q: 0}, ends)
    assert ends.asked == 3


def test_a_broker_that_is_away_leaves_the_lag_as_it_was() -> None:
    clock = FakeClock()
    marks, ends = Marks(Tenures(), clock=clock), Ends({P: 10})
    marks.lag({P: 0}, ends)
    ends.away = True
    clock.advance(ENDS_S)
    assert marks.lag({P: 0}, ends) == {P: 10}
