"""Which models may be served: a variant only once it was measured against its parent. Measures nothing itself."""

from __future__ import annotations

from pathlib import Path

from workers.errors import ConfigurationError
from workers.models.config import ModelConfig, revision_of
from workers.models.gate import read_gate


def check_gate(folder: Path, config: ModelConfig) -> None:
    """Raises ConfigurationError for a variant without a record that is about it, against its parent, and passed."""
    if config.variant_of is None:
        return
    record = read_gate(folder)
    if record is None:
        why = "was not measured against the model that it was made from"
    elif record.revision != revision_of(config):
        why = "was changed since it was measured"
    elif record.parent != config.variant_of:
        why = "was measured against another model than the one that it was made from"
    elif not record.passed or record.lost():
        why = f"lost more than the {record.allowed_points:g} points that were allowed"
    else:
        return
    raise ConfigurationError(
        f"model {config.name} {why}: run `enrich evaluate {folder} DATA --gate PARENT`, or serve its parent"
    )
