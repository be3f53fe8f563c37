"""What a cache is to the pipeline: it may know results. It never raises, never waits long, never changes an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """Counts since the start, and whether the cache is in use at this moment."""

    available: bool
    hits: int
    misses: int
    errors: int  # calls that failed, and values that were there but not readable
    dropped: int = 0  # results that were not written: the service was left alone or too slow


class ResultCache(Protocol):
    """Results by key. Safe to call from several threads."""

    @property
    def keeps(self) -> bool:
        """Whether results are kept at all; if not, nobody needs to make bytes of them."""
        ...

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What is known; a key that is not known, not readable or not in time is absent."""
        ...

    def put_many(self, values: Mapping[str, bytes]) -> None:
        """Remember, or not."""
        ...

    def status(self) -> CacheStatus: ...

    def close(self) -> None: ...
