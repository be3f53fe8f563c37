"""Calibrations proposed from corrections: what is fitted, what was said before, and what of it is news."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import orjson
from pydantic import ValidationError

from schemas import Calibration, CalibrationState, HeadCalibration, StageName
from workers.insights.refit import Groups, refit
from workers.settings import CalibrationSettings

PREFIX = "calibration|"
NEAR_TEMPERATURE, NEAR_THRESHOLD = 0.05, 0.02

Heads = dict[StageName, HeadCalibration]
Fits = dict[tuple[str, str], Heads]  # (model, revision) -> what helps; no heads if nothing does


def fit_all(groups: Groups, wanted: CalibrationSettings) -> Fits:
    """Every model that was judged. Takes a fifth of a second for 5,000 verdicts: not for the event loop."""
    fits: Fits = defaultdict(dict)
    for (model, revision, stage), judged in groups.items():
        heads = fits[model, revision]
        if (head := refit(judged, wanted)) is not None:
            heads[StageName(stage)] = head
    return fits


def identity(model: str, revision: str, heads: Heads) -> str:
    """The same for the same change, whatever its evidence."""
    told = [
        model,
        revision,
        *([s.value, h.temperature, sorted(h.thresholds.items())] for s, h in sorted(heads.items())),
    ]
    return blake2b(orjson.dumps(told), digest_size=6).hexdigest()


def alike(one: Heads, other: Heads) -> bool:
    """The same stages and types, with temperatures and thresholds that nobody could tell apart by the records."""
    return one.keys() == other.keys() and all(
        head.thresholds.keys() == other[stage].thresholds.keys()
        and abs(head.temperature - other[stage].temperature) <= NEAR_TEMPERATURE
        and all(abs(t - other[stage].thresholds[given]) <= NEAR_THRESHOLD for given, t in head.thresholds.items())
        for stage, head in one.items()
    )


class Proposals:
    """The last word on every key of the topic, ours and others'."""

    def __init__(self) -> None:
        self._known: dict[str, Calibration] = {}
        self._changed: dict[str, dict[str, Any] | None] = {}

    def receive(self, key: str, value: bytes | None) -> None:
        """What is no calibration is passed over, as workers do."""
        if value is None:
            self._known.pop(key, None)
            self._changed[PREFIX + key] = None
            return
        try:
            found = Calibration.model_validate_json(value)
        except ValidationError:
            return
        if found.key == key:
            self._known[key] = found
            self._changed[PREFIX + key] = found.model_dump(mode="json")

    def news(self, fits: Fits, *, at_s: float) -> dict[str, Calibration | None]:
        """What to send, by key: a proposal unlike what stands, was refused or is in force; None where one stands that
        the verdicts no longer bear out. A few more verdicts change every figure a little, and nobody's mind."""
        news: dict[str, Calibration | None] = {}
        for (model, revision), heads in fits.items():
            proposed = self._known.get(f"{model}@{revision}/proposed")
            in_force = self._known.get(f"{model}@{revision}/accepted")
            if proposed is not None and proposed.state is CalibrationState.PROPOSED and not heads:
                news[proposed.key] = None
            elif heads and not any(said is not None and alike(heads, said.heads) for said in (proposed, in_force)):
                told = Calibration(
                    id=identity(model, revision, heads),
                    state=CalibrationState.PROPOSED,
                    model=model,
                    revision=revision,
                    heads=heads,
                    at=datetime.fromtimestamp(at_s, UTC),
                )
                news[told.key] = told
        return news

    def all(self) -> list[Calibration]:
        """By model; what is in force before what is proposed."""
        return [self._known[key] for key in sorted(self._known)]

    def changes(self) -> Mapping[str, dict[str, Any] | None]:
        """What to write since the last call."""
        changed, self._changed = self._changed, {}
        return changed

    def load(self, items: Mapping[str, Mapping[str, Any]]) -> None:
        for name, value in items.items():
            if name.startswith(PREFIX):
                found = Calibration.model_validate(value)
                self._known[found.key] = found
