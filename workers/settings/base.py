"""The base of all settings: immutable, and closed to unknown options."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class FrozenSettings(BaseModel):
    """Base of all settings: immutable, and closed to unknown options."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
