"""What readers say of enrichments, and the precision that follows: of the items that were judged, how many were right.

The last verdict on an item counts, so a correction that is delivered twice changes nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from pydantic import ValidationError

from schemas import Correction, Verdict
from schemas.calibration import REVISION_DIGITS, uncalibrated
from workers.insights.refit import Groups, Judged

PREFIX = "verdict|"
Z = 1.96  # 95 %


@dataclass(frozen=True, slots=True)
class Precision:
    """Items of one model and type that readers judged."""

    stage: str
    model: str
    revision: str
    given: str
    right: int
    judged: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's (1927), 95 %: also sensible for three verdicts that agree."""
        n, share = self.judged, self.right / self.judged
        middle = share + Z * Z / (2 * n)
        half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
        whole = 1 + Z * Z / n
        return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


class Verdicts:
    """Remembers the last verdict on each of the newest `limit` items."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: dict[str, dict[str, Any]] = {}
        self._changed: dict[str, dict[str, Any] | None] = {}
        self.invalid = 0  # since the start

    def receive(self, value: bytes | None) -> Correction | None:
        """None, and counted, if it is no correction. A tombstone is nobody's verdict either."""
        try:
            correction = Correction.model_validate_json(value or b"")
        except ValidationError:
            self.invalid += 1
            return None
        name = PREFIX + blake2b(correction.subject.encode("utf-8", "replace"), digest_size=16).hexdigest()
        stage, right = correction.stage.value, correction.verdict is Verdict.RIGHT
        entry: dict[str, Any] = {
            "of": [stage, correction.model, correction.revision[:REVISION_DIGITS], correction.given],
            "right": right,
        }
        if correction.score is not None:
            origin = f"{correction.origin.topic}/{correction.origin.partition}/{correction.origin.offset}"
            entry["in"] = blake2b(origin.encode("utf-8", "replace"), digest_size=6).hexdigest()
            entry["score"] = round(uncalibrated(correction.score, correction.temperature), 6)
        self._known.pop(name, None)  # the newest last
        self._known[name] = self._changed[name] = entry
        while len(self._known) > self._limit:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._changed[oldest] = None
        return correction

    def changes(self) -> Mapping[str, dict[str, Any] | None]:
        """What to write since the last call; None for what was forgotten."""
        changed, self._changed = self._changed, {}
        return changed

    def load(self, items: Mapping[str, Mapping[str, Any]]) -> None:
        self._known |= {name: dict(value) for name, value in items.items() if name.startswith(PREFIX)}

    def precision(self) -> list[Precision]:
        """By stage, model and type, those judged most often first."""
        groups: dict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
        for entry in self._known.values():
            stage, model, revision, given = entry["of"]
            group = groups[stage, model, revision, given]
            group[0] += bool(entry["right"])
            group[1] += 1
        rows = [Precision(*of, right, judged) for of, (right, judged) in groups.items()]
        return sorted(rows, key=lambda row: (-row.judged, row.stage, row.given))

    def scored(self) -> Groups:
        """The verdicts on items with a score, by model, revision and stage, oldest first."""
        groups: dict[tuple[str, str, str], list[Judged]] = defaultdict(list)
        for entry in self._known.values():
            if "score" in entry:
                stage, model, revision, given = entry["of"]
                groups[model, revision, stage].append(Judged(entry["in"], given, entry["score"], entry["right"]))
        return groups

    def __len__(self) -> int:
        return len(self._known)
