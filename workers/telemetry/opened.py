"""A worker's telemetry, as the settings want it: recorders, HTTP server and traces, opened before the models load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus

from workers.errors import extra_needed
from workers.settings import Settings
from workers.telemetry.backlog import BacklogMeter
from workers.telemetry.health import Health
from workers.telemetry.prometheus import CONTENT_TYPE, PrometheusRecorder
from workers.telemetry.recorder import NullRecorder, Recorder, Recorders
from workers.telemetry.server import Page, Pages, probe, serving
from workers.telemetry.sources import Sources
from workers.telemetry.traces import Tracing


@dataclass(slots=True)
class Telemetry:
    """What a worker is watched by. `recorder` and `tracing` go to its loop."""

    recorder: Recorder
    health: Health
    meter: BacklogMeter
    metrics: PrometheusRecorder
    tracing: Tracing | None

    def loaded(self, sources: Sources, *, tokens_per_s: float | None) -> None:
        """The models are there: export what `sources` count, and assume their speed until one was measured."""
        self.health.doing("joining the group")
        self.meter.assume(tokens_per_s)
        self.metrics.watch(replace(sources, ready=lambda: self.health.ready().ok))


@contextmanager
def open_telemetry(settings: Settings, *, worker: str, version: str) -> Iterator[Telemetry]:
    """Closed, with its server and what is left of the traces sent, at the end. Raises ConfigurationError."""
    wanted = settings.telemetry
    with ExitStack() as stack:
        health = Health(stalled_s=wanted.stalled_s)
        meter = BacklogMeter(assumed_tokens=settings.window.max_tokens)
        metrics = PrometheusRecorder(meter)
        if wanted.port:
            pages: Pages = {
                "/metrics": partial(_metrics, metrics),
                "/live": probe(health.live),
                "/ready": probe(health.ready),
                "/startup": probe(health.startup),
            }
            stack.enter_context(serving(pages, host=wanted.host, port=wanted.port))
        tracing: Tracing | None = None
        if wanted.traces_endpoint is not None:
            with extra_needed("otel"):
                from workers.telemetry.otel import open_tracing
            tracing = stack.enter_context(open_tracing(settings, worker=worker, version=version))
        recorder = Recorders(health, metrics) if wanted.port else NullRecorder()
        yield Telemetry(recorder, health, meter, metrics, tracing)


def _metrics(metrics: PrometheusRecorder) -> Page:
    return Page(HTTPStatus.OK, CONTENT_TYPE, metrics.exposition())
