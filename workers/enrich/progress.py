"""How far a worker is. Counts what is visible, not what is under way."""

from __future__ import annotations

from dataclasses import dataclass

from workers.enrich.outcome import Enriched, Failed, Outcome


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

    def count(self, outcomes: list[Outcome]) -> None:
        self.epochs += 1
        for outcome in outcomes:
            if isinstance(outcome, Enriched):
                self.enriched += 1
                self.cache_lookups += outcome.run.cache_lookups
                self.cache_hits += outcome.run.cache_hits
                self.windows += outcome.run.segments
            elif isinstance(outcome, Failed):
                self.dead += 1
            else:
                self.tombstones += 1
