"""How far a worker is. Counts what is visible, not what is under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workers.enrich.outcome import Written


@dataclass(slots=True)
class Progress:
    """What was published so far; for progress bars and the last line."""

    enriched: int = 0
    dead: int = 0
    tombstones: int = 0
    epochs: int = 0
    failed_epochs: int = 0
    cache_lookups: int = 0
    cache_hits: int = 0
    windows: int = 0

    @property
    def documents(self) -> int:
        return self.enriched + self.dead + self.tombstones

    def count(self, written: Sequence[Written]) -> None:
        self.epochs += 1
        for one in written:
            if one.failure is not None:
                self.dead += 1
            elif one.enriched:
                self.enriched += 1
            else:
                self.tombstones += 1
            if one.run is not None:
                self.cache_lookups += one.run.cache_lookups
                self.cache_hits += one.run.cache_hits
                self.windows += one.run.segments
