"""What was measured on this machine once, so that no start measures it again: values by key in a small JSON file.

A file that cannot be read knows nothing, and one that cannot be written costs the next start a measurement, no more.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from workers.settings.base import FrozenSettings

FOLDER = Path("~/.cache/enrich")

ValueT = TypeVar("ValueT", bound=FrozenSettings)


@dataclass(frozen=True, slots=True)
class Remembered(Generic[ValueT]):
    """The values of one kind."""

    path: Path
    kind: type[ValueT]

    def get_or_measure(self, key: str, measure: Callable[[], ValueT]) -> ValueT:
        """What is known under the key, else what `measure` finds, which is kept. Raises what `measure` raises."""
        known = self._read()
        if key not in known:
            known[key] = measure()
            self._write(known)
        return known[key]

    def _read(self) -> dict[str, ValueT]:
        try:
            stored = json.loads(self.path.expanduser().read_bytes())
            return {name: self.kind.model_validate(value) for name, value in stored.items()}
        except (OSError, RuntimeError, ValueError, AttributeError, ValidationError):
            return {}

    def _write(self, values: dict[str, ValueT]) -> None:
        """Whole or not at all."""
        try:
            path = self.path.expanduser()
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            stored = {name: value.model_dump(mode="json") for name, value in values.items()}
            fresh.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
            fresh.replace(path)
        except (OSError, RuntimeError):
            return
