"""Where models that come from elsewhere are kept, and whether anything may be fetched."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from workers.settings.base import FrozenSettings


class StoreSettings(FrozenSettings):
    """The store of pulled models; one for all models of a process."""

    folder: Path | None = Field(None, description="where pulled models are kept; the user's cache folder if not given")
    offline: bool = Field(False, description="whether models are opened without ever asking the network")
