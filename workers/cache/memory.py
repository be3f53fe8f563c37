"""Results kept in this process, the least recently used forgotten first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from workers.cache.base import CacheStatus


class MemoryCache:
    """Holds at most `max_entries` results. Safe to call from several threads."""

    keeps = True

    def __init__(self, *, max_entries: int) -> None:
        self._max_entries = max_entries
        self._values: OrderedDict[str, bytes] = OrderedDict()
        self._hits = self._misses = 0
        self._lock = threading.Lock()

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        with self._lock:
            found = {key: self._values[key] for key in dict.fromkeys(keys) if key in self._values}
            for key in found:
                self._values.move_to_end(key)
            hits = sum(key in found for key in keys)
            self._hits += hits
            self._misses += len(keys) - hits
            return found

    def put_many(self, values: Mapping[str, bytes]) -> None:
        with self._lock:
            for key, value in values.items():
                self._values[key] = value
                self._values.move_to_end(key)
            while len(self._values) > self._max_entries:
                self._values.popitem(last=False)

    def status(self) -> CacheStatus:
        with self._lock:
            return CacheStatus(available=True, hits=self._hits, misses=self._misses, errors=0)

    def close(self) -> None:
        with self._lock:
            self._values.clear()
