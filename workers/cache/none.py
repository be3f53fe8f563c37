"""No cache: every result is computed, and nobody asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workers.cache.base import CacheStatus


class NullCache:
    """Knows nothing."""

    keeps = False

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        return {}

    def put_many(self, values: Mapping[str, bytes]) -> None:
        """Forget at once."""

    def status(self) -> CacheStatus:
        return CacheStatus(available=False, hits=0, misses=0, errors=0)

    def close(self) -> None:
        """Nothing to close."""
