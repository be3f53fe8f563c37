"""The record that a model was measured against its parent. Written by `enrich evaluate --gate`, read by the store.

It names the revision it is about: changed weights or configuration have another one, and the record counts no more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeFloat, ValidationError

from workers.errors import ConfigurationError
from workers.settings import FrozenSettings

GATE_FILE = "gate.json"


class GateFigure(FrozenSettings):
    """One figure of both models, in points (0 to 100, more is better)."""

    name: str
    parent: float
    own: float


class GateRecord(FrozenSettings):
    """Whether a model lost no more than allowed against its parent, and what was measured."""

    format: Literal[1] = 1
    revision: str  # of the evaluated model
    parent: str  # revision of the model it is compared with
    allowed_points: NonNegativeFloat
    passed: bool
    figures: tuple[GateFigure, ...]

    def lost(self) -> tuple[GateFigure, ...]:
        """The figures that fell by more than allowed."""
        return tuple(figure for figure in self.figures if round(figure.parent - figure.own, 6) > self.allowed_points)


def write_gate(folder: Path, record: GateRecord) -> None:
    """Whole or not at all."""
    fresh = folder / f"{GATE_FILE}.new"
    fresh.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    fresh.replace(folder / GATE_FILE)


def read_gate(folder: Path) -> GateRecord | None:
    """The folder's record, None if it has none. Raises ConfigurationError for a file that is not one."""
    path = folder / GATE_FILE
    if not path.is_file():
        return None
    try:
        return GateRecord.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ConfigurationError(f"{path} is not a gate record: run `enrich evaluate --gate` again") from error
