"""What a batcher has done since it started. Not safe for threads by itself: the batcher holds its lock."""

from __future__ import annotations

from dataclasses import replace

from workers.batching.answers import OUT_OF_MEMORY, BatcherStats
from workers.batching.blame import Cause
from workers.batching.calls import Batch
from workers.models.base import PreparedT


class Counts:
    """Counters; they only rise."""

    def __init__(self) -> None:
        self._stats = BatcherStats()

    def batch(self, batch: Batch[PreparedT], *, capacity_tokens: int) -> None:
        """One that was answered, of which `capacity_tokens`, padded, would have been full."""
        stats = self._stats
        self._stats = replace(
            stats,
            batches=stats.batches + 1,
            windows=stats.windows + len(batch.places),
            padded_tokens=stats.padded_tokens + batch.padded_tokens,
            useful_tokens=stats.useful_tokens + batch.useful_tokens,
            capacity_tokens=stats.capacity_tokens + capacity_tokens,
            forward_s=stats.forward_s + batch.forward_s,
            decode_s=stats.decode_s + batch.decode_s,
        )

    def failed_window(self) -> None:
        self._stats = replace(self._stats, failed_windows=self._stats.failed_windows + 1)

    def failed_batch(self, cause: Cause) -> None:
        """A try of a batch or of a part of it; each is counted."""
        failed, memory = self._stats.failed_batches + 1, self._stats.out_of_memory + (cause.code == OUT_OF_MEMORY)
        self._stats = replace(self._stats, failed_batches=failed, out_of_memory=memory)

    def snapshot(self, *, waiting: int, waiting_tokens: int, max_padded_tokens: int) -> BatcherStats:
        return replace(self._stats, waiting=waiting, waiting_tokens=waiting_tokens, max_padded_tokens=max_padded_tokens)
