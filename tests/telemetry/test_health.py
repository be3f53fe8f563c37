"""Probes over the life of a worker."""

from __future__ import annotations

from tests.fakes.clock import FakeClock
from tests.fakes.recorders import a_load
from workers.telemetry.health import Health, Verdict

STALLED_S = 60.0


def answers(health: Health) -> tuple[bool, bool, bool]:
    """Live, ready, startup."""
    return health.live().ok, health.ready().ok, health.startup().ok


def test_a_worker_starts_works_and_stops() -> None:
    clock = FakeClock()
    health = Health(stalled_s=STALLED_S, clock=clock)
    health.doing("loading the models")
    assert answers(health) == (True, False, False)
    assert health.ready() == Verdict(False, "loading the models")
    clock.advance(10 * STALLED_S)  # a large model: nobody may kill it while it loads
    assert health.live().ok
    health.turned()
    health.standing(a_load(0, problem="not a member"))
    assert answers(health) == (True, False, False)
    health.standing(a_load(5))
    assert answers(health) == (True, True, True)
    health.standing(a_load(5, problem="the coordinator does not answer"))
    assert answers(health) == (True, False, True)
    assert health.ready().why == "the coordinator does not answer"
    health.standing(a_load(5))
    assert answers(health) == (True, True, True)
    health.standing(a_load(5, stopping=True))
    assert answers(health) == (True, False, True)


def test_a_loop_that_hangs_is_not_alive_until_it_turns_again() -> None:
    clock = FakeClock()
    health = Health(stalled_s=STALLED_S, clock=clock)
    health.turned()
    clock.advance(STALLED_S)
    assert health.live().ok
    clock.advance(1.0)
    assert health.live() == Verdict(False, "the loop has not turned for 61 s")
    health.turned()
    assert health.live().ok


def test_a_worker_without_a_partition_is_ready() -> None:
    """There may be more workers than partitions: the spare ones must not look broken."""
    health = Health(stalled_s=STALLED_S)
    health.turned()
    health.standing(a_load(0))
    assert health.ready().ok
