"""The cache that the settings name."""

from __future__ import annotations

from workers.cache.base import ResultCache
from workers.settings import CacheSettings


def open_cache(settings: CacheSettings) -> ResultCache:
    """The cache the settings name. None of them fails to open: a cache that is down is a cache that knows nothing."""
    if settings.kind == "redis":
        from workers.cache.redis import RedisCache

        return RedisCache(settings)
    if settings.kind == "memory":
        from workers.cache.memory import MemoryCache

        return MemoryCache(max_entries=settings.max_entries)
    from workers.cache.none import NullCache

    return NullCache()


def ping_redis(settings: CacheSettings) -> None:
    """Raises CacheDown if Redis does not answer."""
    from workers.cache.redis import ping

    ping(settings)
