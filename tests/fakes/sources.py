"""Counts of batchers and a cache that stand still."""

from __future__ import annotations

from workers.batching.answers import BatcherStats
from workers.cache.base import CacheStatus
from workers.telemetry.sources import ServedModel, Sources

STATS = BatcherStats(
    batches=5,
    windows=40,
    padded_tokens=4_000,
    useful_tokens=3_000,
    capacity_tokens=8_000,
    forward_s=2.5,
    failed_batches=2,
    failed_windows=1,
    out_of_memory=1,
    waiting=7,
    max_padded_tokens=8_192,
)


def some_sources(stats: BatcherStats = STATS, cache: CacheStatus | None = None) -> Sources:
    status = cache or CacheStatus(available=True, hits=10, misses=30, errors=2, dropped=1)
    return Sources(
        batchers={"default": lambda: stats},
        cache=lambda: status,
        models=[ServedModel("default", "minilm", "0" * 64, "bf16", "cuda:0")],
        memory=lambda: {"cuda:0": {"allocated": 100, "reserved": 200}},
        load_s=1.5,
        version="1.2.3",
        ready=lambda: True,
    )
