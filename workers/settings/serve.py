"""`enrich serve`: where it answers, and how large a text it takes."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from workers.settings.base import FrozenSettings


class ServeSettings(FrozenSettings):
    """The small service behind the page's box for trying out a text."""

    host: str = Field("127.0.0.1", min_length=1, description="address to answer on; it asks nobody who they are")
    port: int = Field(8090, ge=0, le=65_535, description="port; 0 takes a free one and says which")
    max_characters: PositiveInt = Field(4_000, le=100_000, description="code points of a text that is tried out")
    max_parts: PositiveInt = Field(
        48, ge=2, le=500, description="parts a text is left without, one by one, to explain its label: a pass for each"
    )
