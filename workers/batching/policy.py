"""Which windows go through the device together. Pure: no thread, no clock of its own, no model.

A batch costs `items x padded length`, and holds only windows of one padded length: then a window's answer is the same
bits whatever else is in its batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class BatchLimit:
    """What one batch may hold; whichever is reached first. One item always goes, also when it is larger than that."""

    max_items: int
    max_padded_tokens: int
    budgets: tuple[tuple[int, int], ...] = ()  # (padded length, padded tokens), by length: less where less is as fast

    def items(self, area: int) -> int:
        """How many items of this padded length go into one batch."""
        return max(1, min(self.max_items, min(self.max_padded_tokens, self.budget(area)) // area))

    def tokens(self, area: int) -> int:
        """Padded tokens of a full batch of this padded length."""
        return self.items(area) * area

    def budget(self, area: int) -> int:
        """Padded tokens by the nearest measured length above; by the longest for what is longer."""
        if not self.budgets:
            return self.max_padded_tokens
        return next((tokens for length, tokens in self.budgets if length >= area), self.budgets[-1][1])

    def lowered_to(self, padded_tokens: int) -> BatchLimit:
        return replace(self, max_padded_tokens=max(1, min(self.max_padded_tokens, padded_tokens)))


@dataclass(frozen=True, slots=True)
class Waiting(Generic[ItemT]):
    """An item that waits. Numbers rise with the time of arrival."""

    number: int
    area: int  # padded length in tokens
    since_s: float
    item: ItemT


@dataclass(frozen=True, slots=True)
class Bucket:
    """The items of one padded length, seen from outside."""

    area: int
    count: int
    oldest_number: int
    oldest_since_s: float


def choose_bucket(buckets: Iterable[Bucket], *, limit: BatchLimit, now_s: float, max_wait_s: float) -> Bucket | None:
    """The bucket for a device that is free now; None only if there is none.

    1 where the oldest item of all has waited longer than `max_wait_s`: its bucket, so nothing starves
    2 else a bucket that fills a batch, the one with the oldest item
    3 else the bucket with most tokens: the others gain most from waiting for company
    """
    candidates = list(buckets)
    if not candidates:
        return None
    oldest = min(candidates, key=lambda bucket: bucket.oldest_number)
    if now_s - oldest.oldest_since_s > max_wait_s:
        return oldest
    full = [bucket for bucket in candidates if bucket.count >= limit.items(bucket.area)]
    if full:
        return min(full, key=lambda bucket: bucket.oldest_number)
    return max(candidates, key=lambda bucket: (bucket.count * bucket.area, -bucket.oldest_number))


class Buckets(Generic[ItemT]):
    """The items that wait, by padded length, first come first served within one. Not safe for threads by itself."""

    def __init__(self) -> None:
        self._by_area: dict[int, deque[Waiting[ItemT]]] = {}
        self._count = 0
        self._next_number = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Bucket]:
        for area, queue in self._by_area.items():
            yield Bucket(area, len(queue), queue[0].number, queue[0].since_s)

    def add(self, item: ItemT, *, area: int, now_s: float) -> None:
        if area < 1:
            raise ValueError(f"area must be positive, not {area}")
        self._by_area.setdefault(area, deque()).append(Waiting(self._next_number, area, now_s, item))
        self._next_number += 1
        self._count += 1

    def take_batch(self, limit: BatchLimit, *, now_s: float, max_wait_s: float) -> list[Waiting[ItemT]]:
        """The next batch, removed from here; empty only if nothing waits."""
        chosen = choose_bucket(self, limit=limit, now_s=now_s, max_wait_s=max_wait_s)
        if chosen is None:
            return []
        queue = self._by_area[chosen.area]
        batch = [queue.popleft() for _ in range(min(len(queue), limit.items(chosen.area)))]
        if not queue:
            del self._by_area[chosen.area]
        self._count -= len(batch)
        return batch

    def clear(self) -> None:
        self._by_area.clear()
        self._count = 0
