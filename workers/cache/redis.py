"""Results in Redis. Whatever Redis does, the pipeline goes on: errors are counted and swallowed here, at one seam.

Reads cost one MGET per 512 names and at most `timeout_ms` when Redis hangs, once per breaker window. Writes are one
pipeline, in the background. Reads and writes have a breaker each: a full or read-only Redis can still be read.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.cache.base import CacheStatus
from workers.cache.breaker import CircuitBreaker
from workers.cache.framing import Seal
from workers.cache.writer import BackgroundWriter
from workers.errors import CacheDown, ConfigurationError
from workers.settings import CacheSettings

logger = logging.getLogger(__name__)

CHUNK = 512  # names in one MGET or one pipeline: Redis serves nobody else meanwhile
MAX_CONNECTIONS = 8  # pipeline threads and the writer
MAX_PENDING_WRITE_BYTES = 33_554_432
CLOSE_S = 2.0

Clock = Callable[[], float]


class RedisCache:
    """A `ResultCache`. Connects when first asked."""

    keeps = True

    def __init__(self, settings: CacheSettings, *, clock: Clock = time.monotonic) -> None:
        self._timeout_s = settings.timeout_ms / 1000
        self._ttl_s = settings.ttl_s
        self._clock = clock
        self._client = _connect(settings)
        self._seal = Seal(secret=settings.secret.get_secret_value())
        self._reads = _Guard("reads", settings, clock)
        self._writes = _Guard("writes", settings, clock)
        self._lock = threading.Lock()
        self._hits = self._misses = self._unreadable = self._unwritten = 0
        self._writer = BackgroundWriter(self._write, max_bytes=MAX_PENDING_WRITE_BYTES)

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        names = list(dict.fromkeys(keys))
        found: dict[str, bytes] = {}
        unreadable = 0
        for name, value in self._read(names):
            payload = self._seal.unframe(name, value)
            if payload is None:
                unreadable += 1
            else:
                found[name] = payload
        hits = sum(key in found for key in keys)
        with self._lock:
            self._hits += hits
            self._misses += len(keys) - hits
            self._unreadable += unreadable
        return found

    def put_many(self, values: Mapping[str, bytes]) -> None:
        if values:
            self._writer.put(dict(values))

    def flush(self, timeout_s: float) -> bool:
        """Whether everything put so far has been written or given up within this time."""
        return self._writer.flush(timeout_s)

    def status(self) -> CacheStatus:
        with self._lock:
            return CacheStatus(
                available=not self._reads.breaker.is_open,
                hits=self._hits,
                misses=self._misses,
                errors=self._reads.errors + self._writes.errors + self._unreadable,
                dropped=self._unwritten + self._writer.dropped,
            )

    def close(self) -> None:
        self._writer.close(CLOSE_S)
        self._client.close()

    def _read(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Names and values as they lie in Redis; ends early when Redis fails or the time is over."""
        deadline_s = self._clock() + self._timeout_s
        for chunk in _chunks(names):
            if self._clock() > deadline_s or not self._reads.breaker.allows():
                return
            try:
                values = self._mget(chunk)
            except CacheDown as error:
                self._reads.failed(error)
                return
            self._reads.succeeded()
            yield from ((name, value) for name, value in zip(chunk, values, strict=True) if value is not None)

    def _mget(self, names: Sequence[str]) -> Sequence[bytes | None]:
        with redis_errors():
            values: object = self._client.mget(names)
        if not isinstance(values, list) or len(values) != len(names):
            self._client.connection_pool.disconnect()  # out of step: nothing it says next can be trusted either
            raise CacheDown("an answer to another question")
        return [value if isinstance(value, bytes) else None for value in values]

    def _write(self, values: Mapping[str, bytes]) -> None:
        """The writer's thread. Never raises."""
        for chunk in _chunks(list(values)):
            if not self._writes.breaker.allows():
                self._count_unwritten(len(chunk))
                continue
            try:
                with redis_errors():
                    pipeline = self._client.pipeline(transaction=False)
                    for name in chunk:
                        pipeline.set(name, self._seal.frame(name, values[name]), ex=self._ttl_s)
                    for reply in pipeline.execute(raise_on_error=False):  # its own error would quote the values
                        if isinstance(reply, Exception):
                            raise reply
            except CacheDown as error:
                self._count_unwritten(len(chunk))
                self._writes.failed(error)
            else:
                self._writes.succeeded()

    def _count_unwritten(self, count: int) -> None:
        with self._lock:
            self._unwritten += count


def ping(settings: CacheSettings) -> None:
    """Raises CacheDown if Redis does not answer: for the check before a start, where failing open would hide it."""
    client = _connect(settings)
    try:
        with redis_errors():
            client.ping()
    finally:
        client.close()


class _Guard:
    """A breaker that counts, and tells the log once when it opens and once when it closes."""

    def __init__(self, what: str, settings: CacheSettings, clock: Clock) -> None:
        self.breaker = CircuitBreaker(
            max_failures=settings.breaker_failures, reset_s=settings.breaker_reset_s, clock=clock
        )
        self.errors = 0
        self._what = what
        self._reset_s = settings.breaker_reset_s
        self._lock = threading.Lock()

    def failed(self, error: CacheDown) -> None:
        with self._lock:
            self.errors += 1
        if self.breaker.failed():
            logger.warning(
                "cache %s are off, tried again every %g s, results are computed instead: %s",
                self._what,
                self._reset_s,
                error,
            )

    def succeeded(self) -> None:
        if self.breaker.succeeded():
            logger.warning("cache %s are on again", self._what)


@contextmanager
def redis_errors() -> Iterator[None]:
    """Everything that can go wrong between here and Redis, as CacheDown. No message holds a name, value or address."""
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise CacheDown(_kind_of(error)) from error
    except Exception as error:  # what is no RESP at all breaks the client's parser in many ways
        raise CacheDown(f"no answer of a Redis: {type(error).__name__}") from error


def _kind_of(error: Exception) -> str:
    """The type, and the code word that Redis puts first: OOM, READONLY, NOAUTH, MISCONF."""
    code = re.match(r"([A-Z]{3,})\b", str(error))
    if isinstance(error, redis.ResponseError) and code:
        return f"{type(error).__name__} {code[1]}"
    return type(error).__name__


def _connect(settings: CacheSettings) -> redis.Redis:
    timeout_s = settings.timeout_ms / 1000
    try:
        pool = redis.BlockingConnectionPool.from_url(
            settings.redis_url.get_secret_value(),
            max_connections=MAX_CONNECTIONS,
            timeout=timeout_s,  # to get a connection from the pool
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
            protocol=2,  # with 3 the server may announce maintenance, which stretches time-outs to 10 s
        )
    except ValueError as error:
        # Not the message: it may quote the password.
        raise ConfigurationError("cache.redis_url is no redis://, rediss:// or unix:// address: correct it") from error
    return redis.Redis(connection_pool=pool)


def _chunks(names: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
