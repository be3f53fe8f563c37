"""Times of steps."""

from __future__ import annotations

import pytest

from tests.fakes.clock import FakeClock
from workers.telemetry.steps import StepTimes, Stopwatch


def test_a_stopwatch_tells_the_seconds_since_it_was_made() -> None:
    clock = FakeClock()
    watch = Stopwatch(clock)
    clock.advance(1.5)
    assert watch.elapsed_s == 1.5


def test_times_of_one_step_add_up_also_when_it_raises() -> None:
    clock = FakeClock()
    times = StepTimes(clock)
    with times.step("read"):
        clock.advance(1)

    def break_after_two_seconds() -> None:
        with times.step("read"):
            clock.advance(2)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        break_after_two_seconds()
    times.add("wait", 0.5)
    assert times.seconds() == {"read": 3.0, "wait": 0.5}


def test_the_times_that_were_given_out_do_not_change_later() -> None:
    times = StepTimes(FakeClock())
    given = times.seconds()
    times.add("read", 1.0)
    assert given == {}
