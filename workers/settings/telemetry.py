"""What a worker tells about itself: metrics and health over HTTP, and traces."""

from __future__ import annotations

from pydantic import Field, NonNegativeInt, PositiveFloat

from workers.settings.base import FrozenSettings


class TelemetrySettings(FrozenSettings):
    """Of `enrich worker`; no other command opens a port."""

    host: str = Field(
        "127.0.0.1", min_length=1, description="address of /metrics, /live, /ready, /startup; 0.0.0.0 in a container"
    )
    port: NonNegativeInt = Field(
        9464, le=65_535, description="their port, one for each worker of a machine; 0 serves nothing"
    )
    stalled_s: PositiveFloat = Field(
        120.0, description="seconds without a turn of the worker's loop until /live says that it hangs"
    )
    traces_endpoint: str | None = Field(
        None,
        description="where traces go, OTLP over HTTP, as http://collector:4318/v1/traces; needs the extra otel",
    )
    traces_ratio: float = Field(
        1.0, ge=0.0, le=1.0, description="share of epochs that are traced; a document's own trace decides for itself"
    )
