"""Which windows go through the device together. Pure: no thread, no clock of its own, no model.

A batch costs `items x padded length`, and holds only windows of one padded length: then a window's answer is the same
bits whatever else is in its batch. Windows that a model takes end to end, without padding, go together whatever their
lengths. Within that, full batches go first as long as everybody is in time, and whoever is due goes first as soon as
somebody is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
END_TO_END = 0  # the key of a bucket with items of all lengths


@dataclass(frozen=True, slots=True)
class BatchLimit:
    """What one batch may hold; whichever is reached first. One item always goes, also when it is larger than that."""

    max_items: int
    max_padded_tokens: int
    budgets: tuple[tuple[int, int], ...] = ()  # (padded length, padded tokens), by length: less where less is as fast

    def items(self, area: int) -> int:
        """How many items of this padded length go into one batch."""
        return max(1, min(self.max_items, self.most_tokens(area) // area))

    def most_tokens(self, longest: int) -> int:
        """Padded tokens that a batch may hold whose longest item is of this length."""
        return min(self.max_padded_tokens, self.budget(longest))

    def capacity(self, areas: Iterable[int]) -> int:
        """Padded tokens of a full batch of items such as these."""
        lengths = set(areas)
        longest = max(lengths)
        return self.items(longest) * longest if len(lengths) == 1 else self.most_tokens(longest)

    def budget(self, area: int) -> int:
        """Padded tokens by the nearest measured length above; by the longest for what is longer."""
        if not self.budgets:
            return self.max_padded_tokens
        return next((tokens for length, tokens in self.budgets if length >= area), self.budgets[-1][1])

    def lowered_to(self, padded_tokens: int) -> BatchLimit:
        return replace(self, max_padded_tokens=max(1, min(self.max_padded_tokens, padded_tokens)))


CPU_LIMIT = BatchLimit(max_items=64, max_padded_tokens=8_192)
GPU_LIMIT = BatchLimit(max_items=4_096, max_padded_tokens=262_144)  # for a calibration to lower: see `calibration`


def limit_for(
    max_items: int | None, max_padded_tokens: int | None, *, device: str | None, calibrated: bool
) -> BatchLimit:
    """What is set, or else what suits the device, as `ModelInfo` names it."""
    usual = GPU_LIMIT if calibrated and (device or "").startswith("cuda") else CPU_LIMIT
    return BatchLimit(max_items or usual.max_items, max_padded_tokens or usual.max_padded_tokens)


def due(made_s: float | None, *, objective_s: float, now_s: float) -> float:
    """When the answer to something made at `made_s` (None: now) is wanted, `objective_s` later.

    Never before now: what is late already is late from its arrival on, so that whoever came before goes before, and
    a clock that is wrong upstream starves nobody. Never later than if it were made now. All on one clock, seconds.
    """
    latest_s = now_s + objective_s
    return latest_s if made_s is None else min(max(now_s, made_s + objective_s), latest_s)


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """Where an item stands in the order of dues; of two that are due together the one that came first."""

    due_s: float
    number: int  # rises with the time of arrival


@dataclass(frozen=True, slots=True)
class Waiting(Generic[ItemT]):
    """An item that waits."""

    turn: Turn
    area: int  # padded length in tokens
    item: ItemT

    def __lt__(self, other: Waiting[ItemT]) -> bool:
        return self.turn < other.turn


@dataclass(frozen=True, slots=True)
class Bucket:
    """Items that may go together, seen from outside."""

    key: int  # their padded length, or END_TO_END
    area: int  # of the longest
    count: int
    tokens: int  # padded, of all of them
    first: Turn  # of the item that is due first

    def fills(self, limit: BatchLimit) -> bool:
        """Whether no other item would go into its next batch."""
        return self.count >= limit.max_items or self.tokens + self.area > limit.most_tokens(self.area)


def choose_bucket(buckets: Iterable[Bucket], *, limit: BatchLimit, now_s: float) -> Bucket | None:
    """The bucket for a device that is free now; None only if there is none.

    1 where something is due: the bucket of what was due first, so nothing starves
    2 else a bucket that fills a batch, the one with what is due first
    3 else the bucket with most tokens: the others gain most from waiting for company
    """
    candidates = list(buckets)
    if not candidates:
        return None
    first = min(candidates, key=lambda bucket: bucket.first)
    if first.first.due_s <= now_s:
        return first
    full = [bucket for bucket in candidates if bucket.fills(limit)]
    if full:
        return min(full, key=lambda bucket: bucket.first)
    most = max(bucket.tokens for bucket in candidates)
    return min((bucket for bucket in candidates if bucket.tokens == most), key=lambda bucket: bucket.first)


class _Queue(Generic[ItemT]):
    """The items of a bucket, what is due first in front."""

    def __init__(self) -> None:
        self.heap: list[Waiting[ItemT]] = []
        self.longest = self.tokens = 0

    def add(self, entry: Waiting[ItemT]) -> None:
        heappush(self.heap, entry)
        self.longest = max(self.longest, entry.area)
        self.tokens += entry.area

    def take_batch(self, limit: BatchLimit) -> list[Waiting[ItemT]]:
        batch, tokens, most = list[Waiting[ItemT]](), 0, limit.most_tokens(self.longest)
        while self.heap and len(batch) < limit.max_items and (not batch or tokens + self.heap[0].area <= most):
            batch.append(heappop(self.heap))
            tokens += batch[-1].area
        self.tokens -= tokens
        return batch


class Buckets(Generic[ItemT]):
    """The items that wait, by padded length; within one, what is due first is served first. Not safe for threads."""

    def __init__(self, *, padded: bool = True) -> None:
        """`padded`: whether only items of one padded length go together."""
        self._padded = padded
        self._queues: dict[int, _Queue[ItemT]] = {}
        self._count = 0
        self._next_number = 0

    def __len__(self) -> int:
        return self._count

    @property
    def tokens(self) -> int:
        """Padded, of all of them."""
        return sum(queue.tokens for queue in self._queues.values())

    def __iter__(self) -> Iterator[Bucket]:
        for key, queue in self._queues.items():
            yield Bucket(key, queue.longest, len(queue.heap), queue.tokens, queue.heap[0].turn)

    def add(self, item: ItemT, *, area: int, due_s: float) -> None:
        """`due_s`: see `due`; on the clock of `take_batch`."""
        if area < 1:
            raise ValueError(f"area must be positive, not {area}")
        queue = self._queues.setdefault(area if self._padded else END_TO_END, _Queue())
        queue.add(Waiting(Turn(due_s, self._next_number), area, item))
        self._next_number += 1
        self._count += 1

    def take_batch(self, limit: BatchLimit, *, now_s: float) -> list[Waiting[ItemT]]:
        """The next batch, removed from here; empty only if nothing waits."""
        chosen = choose_bucket(self, limit=limit, now_s=now_s)
        if chosen is None:
            return []
        queue = self._queues[chosen.key]
        batch = queue.take_batch(limit)
        if not queue.heap:
            del self._queues[chosen.key]
        self._count -= len(batch)
        return batch

    def clear(self) -> None:
        self._queues.clear()
        self._count = 0
