"""When a failing service is called, and when it is left alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from workers.cache.breaker import CircuitBreaker

RESET_S = 5.0


def opened(clock: FakeClock) -> CircuitBreaker:
    breaker = CircuitBreaker(max_failures=2, reset_s=RESET_S, clock=clock)
    assert [breaker.failed(), breaker.failed()] == [False, True]
    return breaker


def test_only_failures_in_a_row_open_it() -> None:
    breaker = CircuitBreaker(max_failures=2, reset_s=RESET_S, clock=FakeClock())
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()


def test_one_trial_is_allowed_per_window_even_if_nobody_reports_its_end() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    for _ in range(3):
        clock.advance(RESET_S - 0.001)
        assert not breaker.allows()
        clock.advance(0.001)
        assert breaker.allows()
        assert not breaker.allows()


def test_of_many_threads_one_gets_the_trial() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    clock.advance(RESET_S)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: breaker.allows(), range(64))) == 1


def test_a_trial_that_succeeds_closes_it_and_one_that_fails_does_not_open_it_again() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    clock.advance(RESET_S)
    assert breaker.allows()
    assert breaker.failed() is False
    assert breaker.is_open
    clock.advance(RESET_S)
    assert breaker.allows()
    assert breaker.succeeded() is True
    assert breaker.allows()
    assert breaker.allows()
    assert breaker.succeeded() is False


@given(st.integers(1, 10), st.floats(0.01, 4.0))
def test_a_dead_service_is_called_the_failures_plus_once_per_window(failures: int, pause_s: float) -> None:
    clock = FakeClock(0.0)
    breaker = CircuitBreaker(max_failures=failures, reset_s=RESET_S, clock=clock)
    calls = 0
    while clock.now_s < 40:
        if breaker.allows():
            calls += 1
            breaker.failed()
        clock.advance(pause_s)
    assert calls <= failures + 40 / RESET_S
