"""Whatever Redis does, reading gives what is good or nothing, never raises, and soon leaves Redis alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from tests.fakes.clock import FakeClock
from tests.fakes.redis_faults import WRITES_ONLY, Fault, FaultyRedis
from workers.cache.redis import RedisCache
from workers.settings import CacheSettings

FAILING = [fault for fault in Fault if fault is not Fault.NONE and fault not in WRITES_ONLY]
PATIENCE_MS = 10_000
RESET_S = 5.0
SECRET_TEXT = "text of a document"


def settings_for(url: str, *, timeout_ms: int = 100) -> CacheSettings:
    return CacheSettings(
        kind="redis",
        redis_url=SecretStr(url),
        timeout_ms=timeout_ms,
        breaker_failures=3,
        breaker_reset_s=RESET_S,
    )


@pytest.fixture
def server() -> Iterator[FaultyRedis]:
    with FaultyRedis() as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cache(server: FaultyRedis, clock: FakeClock) -> Iterator[RedisCache]:
    cache = RedisCache(settings_for(server.url), clock=clock)
    yield cache
    cache.close()


@pytest.fixture
def patient(server: FaultyRedis, clock: FakeClock) -> Iterator[RedisCache]:
    """For questions that must arrive, however busy the machine is."""
    cache = RedisCache(settings_for(server.url, timeout_ms=PATIENCE_MS), clock=clock)
    yield cache
    cache.close()


def warm(cache: RedisCache) -> None:
    cache.put_many({"known": SECRET_TEXT.encode()})
    assert cache.flush(30)
    assert cache.get_many(["known", "unknown"]) == {"known": SECRET_TEXT.encode()}


@pytest.mark.parametrize("fault", FAILING)
def test_a_fault_is_a_miss_opens_the_breaker_and_is_over_when_redis_is_well(
    fault: Fault, server: FaultyRedis, cache: RedisCache, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    warm(cache)
    server.fault = fault
    for _ in range(6):
        assert cache.get_many(["known", "unknown"]) == {}
    assert cache.status().errors == 3  # the other three did not reach for Redis
    assert not cache.status().available

    server.fault = Fault.NONE
    assert cache.get_many(["known"]) == {}
    clock.advance(RESET_S)
    assert cache.get_many(["known"]) == {"known": SECRET_TEXT.encode()}
    assert cache.status().available
    levels = [record.levelno for record in caplog.records if record.name == "workers.cache.redis"]
    assert levels == [logging.WARNING, logging.WARNING]  # once when it opened, once when it closed
    assert SECRET_TEXT not in caplog.text
    assert "known" not in caplog.text


def test_nobody_listening_is_a_miss(clock: FakeClock) -> None:
    with FaultyRedis() as server:
        url = server.url
    cache = RedisCache(settings_for(url), clock=clock)
    assert cache.get_many(["any"]) == {}
    assert cache.status().errors == 1
    cache.close()


def test_a_redis_that_hangs_is_asked_once_per_breaker_window(
    server: FaultyRedis, cache: RedisCache, clock: FakeClock
) -> None:
    warm(cache)
    server.fault = Fault.BLACK_HOLE
    for _ in range(3):
        cache.get_many(["known"])
    errors = cache.status().errors
    for window in range(1, 4):
        clock.advance(RESET_S)
        for _ in range(20):
            assert cache.get_many(["known"]) == {}
        assert cache.status().errors == errors + window


def test_only_the_first_piece_of_a_large_question_waits_for_a_redis_that_hangs(
    server: FaultyRedis, cache: RedisCache
) -> None:
    warm(cache)
    server.asked.clear()
    server.fault = Fault.BLACK_HOLE
    assert cache.get_many([f"name {number}" for number in range(5_000)]) == {}
    assert cache.status().errors == 1


def test_a_large_question_is_asked_in_pieces(server: FaultyRedis, patient: RedisCache) -> None:
    patient.get_many([f"name {number % 1_100}" for number in range(2_000)])
    assert server.asked == [512, 512, 76]


def test_a_slow_redis_costs_a_large_question_one_time_out_at_most(
    server: FaultyRedis, patient: RedisCache, clock: FakeClock
) -> None:
    server.on_ask = lambda: clock.advance(0.6 * PATIENCE_MS / 1_000)
    patient.get_many([f"name {number}" for number in range(5_000)])
    assert server.asked == [512, 512]


@pytest.mark.parametrize("fault", [Fault.OTHER_TYPE, Fault.TOO_FEW])
def test_a_connection_that_answers_another_question_is_not_used_again(
    fault: Fault, server: FaultyRedis, cache: RedisCache
) -> None:
    warm(cache)
    connections = server.connections
    server.fault = fault
    assert cache.get_many(["known"]) == {}
    server.fault = Fault.NONE
    assert cache.get_many(["known"]) == {"known": SECRET_TEXT.encode()}
    assert server.connections == connections + 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.OOM, "OutOfMemoryError"),
        (Fault.READONLY, "ReadOnlyError"),
        (Fault.MISCONF, "ResponseError MISCONF"),
    ],
)
def test_a_redis_that_takes_no_writes_is_still_read(
    fault: Fault,
    kind: str,
    server: FaultyRedis,
    cache: RedisCache,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    warm(cache)
    server.fault = fault
    for number in range(5):
        cache.put_many({f"new {number}": b"value"})
    assert cache.flush(30)
    assert cache.get_many(["known"]) == {"known": SECRET_TEXT.encode()}
    assert cache.status().available
    assert (cache.status().errors, cache.status().dropped) == (3, 5)
    assert [record.getMessage() for record in caplog.records if "off" in record.getMessage()] == [
        f"cache writes are off, tried again every 5 s, results are computed instead: {kind}"
    ]
    server.fault = Fault.NONE
    clock.advance(RESET_S)
    cache.put_many({"later": b"value"})
    assert cache.flush(30)
    assert cache.get_many(["later"]) == {"later": b"value"}


def test_a_value_changed_in_redis_is_a_miss_and_its_neighbours_are_not(server: FaultyRedis, cache: RedisCache) -> None:
    cache.put_many({"a": b"1", "b": b"2"})
    assert cache.flush(30)
    server.values[b"a"] = server.values[b"b"]
    assert cache.get_many(["a", "b"]) == {"b": b"2"}
    assert cache.status().errors == 1
    assert cache.status().available  # Redis did answer


def test_writes_to_a_redis_that_hangs_hold_up_nobody(server: FaultyRedis, cache: RedisCache) -> None:
    server.fault = Fault.BLACK_HOLE
    for number in range(50):
        cache.put_many({f"name {number}": b"x" * 1_000_000})  # returns though 50 MB would not go anywhere
    assert cache.status().dropped > 0
