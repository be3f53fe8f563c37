"""What every cache promises, on every cache that remembers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import redis as redis_client
from pydantic import SecretStr

from workers.cache.base import ResultCache
from workers.cache.framing import Seal
from workers.cache.memory import MemoryCache
from workers.cache.none import NullCache
from workers.cache.redis import RedisCache
from workers.errors import ConfigurationError
from workers.settings import CacheSettings


@dataclass(frozen=True)
class Subject:
    """A cache, and a way to wait until its writes are done."""

    cache: ResultCache

    def put(self, values: dict[str, bytes]) -> None:
        self.cache.put_many(values)
        if isinstance(self.cache, RedisCache):
            assert self.cache.flush(30)


def redis_settings(url: str, **changes: object) -> CacheSettings:
    """Half a minute of patience: these tests are about what is remembered, not about time."""
    values = {"kind": "redis", "redis_url": SecretStr(url), "timeout_ms": 30_000, "ttl_s": 600, **changes}
    return CacheSettings.model_validate(values)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    cache: ResultCache
    if request.param == "memory":
        cache = MemoryCache(max_entries=10_000)
    else:
        cache = RedisCache(redis_settings(request.getfixturevalue("redis_url")))
    yield Subject(cache)
    cache.close()


def names(count: int) -> list[str]:
    """Names that no other test uses."""
    run = uuid.uuid4().hex
    return [f"enrich:test:{run}:{number}" for number in range(count)]


def test_names_never_stored_are_absent(subject: Subject) -> None:
    assert subject.cache.get_many(names(3)) == {}


def test_what_was_put_is_found_byte_for_byte(subject: Subject) -> None:
    first, second, third, absent = names(4)
    values = {first: bytes(range(256)), second: b"", third: b"\r\n$-1\r\n"}
    subject.put(values)
    assert subject.cache.get_many([third, absent, first, second]) == values


def test_a_later_value_replaces_an_earlier_one(subject: Subject) -> None:
    (name,) = names(1)
    subject.put({name: b"old"})
    subject.put({name: b"new"})
    assert subject.cache.get_many([name]) == {name: b"new"}


def test_more_names_than_one_round_trip_carries_are_all_found(subject: Subject) -> None:
    values = {name: name.encode() for name in names(1_300)}
    subject.put(values)
    assert subject.cache.get_many(list(values)) == values


def test_asking_for_nothing_and_putting_nothing_is_fine(subject: Subject) -> None:
    subject.put({})
    assert subject.cache.get_many([]) == {}


def test_hits_and_misses_are_counted_per_name_asked_for(subject: Subject) -> None:
    known, unknown = names(2)
    subject.put({known: b"value"})
    subject.cache.get_many([known, unknown, known])
    status = subject.cache.status()
    assert (status.hits, status.misses, status.errors, status.dropped) == (2, 1, 0, 0)
    assert status.available


def test_threads_that_read_and_write_together_see_whole_values(subject: Subject) -> None:
    shared = names(20)

    def work(thread: int) -> bool:
        subject.cache.put_many({name: name.encode() * (thread + 1) for name in shared})
        found = subject.cache.get_many(shared)
        return all(value == name.encode() * (len(value) // len(name)) for name, value in found.items())

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(12)))


def test_the_memory_cache_forgets_what_was_not_used_for_longest() -> None:
    cache = MemoryCache(max_entries=2)
    cache.put_many({"a": b"1", "b": b"2"})
    cache.get_many(["a"])
    cache.put_many({"c": b"3"})
    assert cache.get_many(["a", "b", "c"]) == {"a": b"1", "c": b"3"}


def test_the_null_cache_knows_nothing() -> None:
    cache = NullCache()
    cache.put_many({"a": b"1"})
    assert cache.get_many(["a"]) == {}
    assert cache.status().available is False
    cache.close()


@pytest.mark.redis
def test_values_in_redis_expire(redis_url: str) -> None:
    (name,) = names(1)
    cache = RedisCache(redis_settings(redis_url, ttl_s=77))
    cache.put_many({name: b"value"})
    assert cache.flush(30)
    with redis_client.Redis.from_url(redis_url) as client:
        left_s = client.ttl(name)
    cache.close()
    assert isinstance(left_s, int)
    assert 0 < left_s <= 77


@pytest.mark.redis
@pytest.mark.parametrize("secret", ["other", "enrich"])
def test_a_damaged_older_or_foreign_value_in_redis_is_a_miss(redis_url: str, secret: str) -> None:
    good, damaged, short, older, moved, foreign = all_names = names(6)
    seal = Seal(secret="enrich")
    framed = seal.frame(good, b"value")
    with redis_client.Redis.from_url(redis_url) as client:
        client.set(good, framed)
        client.set(damaged, seal.frame(damaged, b"value")[:-1] + b"?")
        client.set(short, framed[:5])
        client.set(older, b"ER\x00" + seal.frame(older, b"value")[3:])
        client.set(moved, framed)
        client.rpush(foreign, "not even a string")
    cache = RedisCache(redis_settings(redis_url, secret=SecretStr(secret)))
    assert cache.get_many(all_names) == ({good: b"value"} if secret == "enrich" else {})
    assert cache.status().errors == (4 if secret == "enrich" else 5)
    cache.close()


def test_an_address_that_is_none_is_refused_without_quoting_the_password() -> None:
    with pytest.raises(ConfigurationError, match="redis_url") as caught:
        RedisCache(redis_settings("http://:hunter2@localhost"))
    assert "hunter2" not in str(caught.value)
