"""No cache: every result is computed, and nobody asks."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from workers.cache.base import CacheStatus


class NullCache:
    """Knows nothing and counts nothing but questions."""

    keeps = False

    def __init__(self) -> None:
        self._misses = 0
        self._lock = threading.Lock()

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        with self._lock:
            self._misses += len(keys)
        return {}

    def put_many(self, values: Mapping[str, bytes]) -> None:
        """Forget at once."""

    def status(self) -> CacheStatus:
        return CacheStatus(available=False, hits=0, misses=self._misses, errors=0)

    def close(self) -> None:
        """Nothing to close."""
