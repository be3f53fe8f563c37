"""What `enrich insights` reads, how long it remembers, where it serves its page, and when it calls a change drift."""

from __future__ import annotations

from typing import Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from workers.settings.base import FrozenSettings


class InsightsSettings(FrozenSettings):
    """The insights application and its page."""

    host: str = Field("127.0.0.1", description="address to serve the page on; it shows documents and asks nobody who")
    host_names: str = Field(
        "localhost", description="further names the page may be asked for under, with commas, e.g. a proxy's"
    )
    port: int = Field(8088, ge=0, le=65_535, description="port of the page; 0 takes a free one and says which")
    group_id: str = Field(
        "enrich-insights",
        pattern=r"^[A-Za-z0-9._-]+$",
        max_length=100,
        description="consumer group, and the name of its tables; a new one counts from the start of the topics",
    )
    corrections_topic: str = Field("documents.corrections", description="topic of readers' verdicts; made if missing")
    alerts_topic: str = Field("documents.alerts", description="topic for drift alerts; made if missing")
    serve_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="where `enrich serve` answers, as http://127.0.0.1:8090: the page then has a box to try out a text",
    )
    serve_characters: PositiveInt = Field(
        4_000, le=100_000, description="code points it may have; at most what serve takes"
    )
    recent_records: PositiveInt = Field(500, description="records that the page can show and search")
    recent_bytes: PositiveInt = Field(33_554_432, description="bytes of them; bounds the memory")
    max_verdicts: PositiveInt = Field(100_000, description="items whose last verdict is remembered")
    batch_records: PositiveInt = Field(500, description="records counted between two writes to the changelog")
    batch_wait_ms: PositiveInt = Field(500, description="ms until fewer are written")
    drift_window_s: PositiveInt = Field(600, ge=60, le=3_600, description="seconds of a window that is compared")
    drift_reference_windows: PositiveInt = Field(
        6, description="first windows with enough documents that make the reference, if none is pinned"
    )
    drift_min_documents: PositiveInt = Field(200, description="documents a window needs to be compared")
    drift_raise_psi: PositiveFloat = Field(0.25, description="population stability index that raises an alert")
    drift_clear_psi: PositiveFloat = Field(0.1, description="index below which it is cleared")
    drift_clear_windows: PositiveInt = Field(2, description="windows in a row below it until it is cleared")
    drift_grace_s: NonNegativeInt = Field(30, description="seconds after its end that a window waits for records")

    @model_validator(mode="after")
    def drift_limits_are_ordered(self) -> Self:
        if self.drift_clear_psi >= self.drift_raise_psi:
            raise ValueError(
                f"insights.drift_clear_psi={self.drift_clear_psi} is not below insights.drift_raise_psi="
                f"{self.drift_raise_psi}: lower the first or raise the second"
            )
        if self.drift_window_s % 60:
            raise ValueError(f"insights.drift_window_s={self.drift_window_s} is no multiple of 60: windows are minutes")
        return self
