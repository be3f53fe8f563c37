"""Says when enrichments no longer look like those of the reference: once when it starts, once when it is over.

A measure is raised above the larger of the configured index and what chance allows, and cleared after several windows
below a lower one: an index that dances around one limit must not send an alert a minute. Owns no clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas import DriftAlert, DriftState, Share
from workers.insights.distances import chance_limit, contributions, jensen_shannon
from workers.insights.tally import Mix, Tally
from workers.settings import InsightsSettings

# What is compared -> the mix that is counted for it.
MEASURES = {
    "labels": "labels",
    "label confidence": "label_confidence",
    "entity confidence": "entity_confidence",
    "entity density": "entity_density",
    "lengths": "lengths",
    "languages": "languages",
}
SHOWN_SHARES = 5

Reference = dict[str, Mix]


@dataclass(slots=True)
class Reading:
    """The last comparison of a measure."""

    psi: float
    js_distance: float
    limit: float
    window_end_s: float


@dataclass(slots=True)
class DriftMonitor:
    """Compares windows one after the other, oldest first. Its state is small and is kept in the changelog."""

    settings: InsightsSettings
    pinned: Reference | None = None  # given by the operator: nothing is learned
    reference: Reference = field(default_factory=dict)
    reference_documents: int = 0
    windows_learned: int = 0
    pinned_at_s: float | None = None  # when a reader made a window the reference; None: learned, or given by a file
    next_start_s: int | None = None
    raised: set[str] = field(default_factory=set)
    calm_windows: dict[str, int] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.pinned is not None:
            self.reference = {name: dict(mix) for name, mix in self.pinned.items()}
            self.reference_documents = max((sum(mix.values()) for mix in self.reference.values()), default=0)

    @property
    def learning(self) -> bool:
        if self.pinned is not None or self.pinned_at_s is not None:
            return False
        return self.windows_learned < self.settings.drift_reference_windows

    def pin(self, window: Tally, *, at_s: float) -> None:
        """Make this window the reference. An alert that is raised stays so until windows are like the new one.

        Raises ValueError, a sentence, if the operator gave a reference or the window has too few documents.
        """
        documents, fewest = documents_of(window), self.settings.drift_min_documents
        if self.pinned is not None:
            raise ValueError("the reference was given with --reference: start without it to pin another")
        if documents < fewest:
            raise ValueError(f"{documents} documents are too few: insights.drift_min_documents is {fewest}")
        self.reference = {measure: dict(window.mixes.get(mix, {})) for measure, mix in MEASURES.items()}
        self.reference_documents, self.pinned_at_s = documents, at_s
        self.readings.clear()
        self.calm_windows = dict.fromkeys(self.raised, 0)

    def due(self, now_s: float) -> Iterator[tuple[int, int]]:
        """Windows, start and end in seconds, that are over and were not compared; the caller compares each."""
        size_s = self.settings.drift_window_s
        if self.next_start_s is None:
            self.next_start_s = int(now_s // size_s) * size_s
        while self.next_start_s + size_s + self.settings.drift_grace_s <= now_s:
            start_s = self.next_start_s
            self.next_start_s = start_s + size_s
            yield start_s, start_s + size_s

    def compare(self, start_s: int, end_s: int, window: Tally) -> list[DriftAlert]:
        """What has to be said of a window. One with too few documents says and changes nothing."""
        documents = documents_of(window)
        if documents < self.settings.drift_min_documents:
            return []
        if self.learning:
            self._learn(window, documents)
            return []
        alerts = (self._look(measure, window, documents, start_s, end_s) for measure in MEASURES)
        return [alert for alert in alerts if alert is not None]

    def _learn(self, window: Tally, documents: int) -> None:
        for measure, mix in MEASURES.items():
            known = self.reference.setdefault(measure, {})
            for bucket, number in window.mixes.get(mix, {}).items():
                known[bucket] = known.get(bucket, 0) + number
        self.reference_documents += documents
        self.windows_learned += 1

    def _look(self, measure: str, window: Tally, documents: int, start_s: int, end_s: int) -> DriftAlert | None:
        reference, counts = self.reference.get(measure, {}), window.mixes.get(MEASURES[measure], {})
        if not reference or not counts:
            return None  # the stage is off, or was when the reference was made
        parts = contributions(reference, counts)
        psi, distance = sum(parts.values()), jensen_shannon(reference, counts)
        chance = chance_limit(len(parts), self.reference_documents, documents)
        limit = max(self.settings.drift_raise_psi, chance)
        self.readings[measure] = Reading(psi, distance, limit, end_s)
        state = self._change(measure, psi, limit, max(self.settings.drift_clear_psi, min(chance, limit / 2)))
        if state is None:
            return None
        most = sorted(parts, key=lambda bucket: -parts[bucket])[:SHOWN_SHARES]
        before, now = sum(reference.values()), sum(counts.values())
        return DriftAlert(
            id=f"{measure}/{state.value}/{start_s}",
            measure=measure,
            state=state,
            psi=max(0.0, psi),
            js_distance=distance,
            limit=limit,
            window_start=datetime.fromtimestamp(start_s, UTC),
            window_end=datetime.fromtimestamp(end_s, UTC),
            documents=documents,
            reference_documents=self.reference_documents,
            shares=tuple(
                Share(bucket=b, reference=reference.get(b, 0) / before, window=counts.get(b, 0) / now) for b in most
            ),
        )

    def _change(self, measure: str, psi: float, raise_at: float, clear_below: float) -> DriftState | None:
        if measure not in self.raised:
            if psi <= raise_at:
                return None
            self.raised.add(measure)
            self.calm_windows[measure] = 0
            return DriftState.RAISED
        self.calm_windows[measure] = self.calm_windows.get(measure, 0) + 1 if psi < clear_below else 0
        if self.calm_windows[measure] < self.settings.drift_clear_windows:
            return None
        self.raised.discard(measure)
        return DriftState.CLEARED

    def dump(self) -> dict[str, Any]:
        """As JSON values, for the changelog."""
        return {
            "reference": {name: dict(mix) for name, mix in self.reference.items()},
            "reference_documents": self.reference_documents,
            "windows_learned": self.windows_learned,
            "pinned_at_s": self.pinned_at_s,
            "next_start_s": self.next_start_s,
            "raised": sorted(self.raised),
            "calm_windows": dict(self.calm_windows),
        }

    def load(self, value: Mapping[str, Any]) -> None:
        """Go on where a monitor ended; a reference that the operator pinned since then comes first."""
        self.next_start_s = value["next_start_s"]
        self.raised = set(value["raised"])
        self.calm_windows = dict(value["calm_windows"])
        self.windows_learned = value["windows_learned"]
        if self.pinned is None:
            self.reference = {name: dict(mix) for name, mix in value["reference"].items()}
            self.reference_documents = value["reference_documents"]
            self.pinned_at_s = value.get("pinned_at_s")


def documents_of(window: Tally) -> int:
    """Those that users sent."""
    return window.counts.get("enriched", 0) - window.counts.get("sentinels", 0)
