"""`enrich worker`: enrich what comes on the input topic until told to stop."""

from __future__ import annotations

import os
import signal
from types import FrameType

from workers.cli.options import with_settings
from workers.enrich.worker import Worker
from workers.settings import Settings

# Native code that keeps Python from running keeps the worker from seeing it. The kernel's alarm then ends the process.
SILENCES = 2  # of `batch.stuck_after_s` without a turn of the loop
ALL = (
    "kafka",
    "epoch",
    "limits",
    "window",
    "model",
    "models",
    "store",
    "batch",
    "cache",
    "stages",
    "output",
    "calibration",
    "telemetry",
)


@with_settings(*ALL)
def worker(*, settings: Settings) -> None:
    """Enrich documents from the input topic until SIGTERM; a second one stops at once, still exactly once."""
    from workers.serving import kafka_worker
    from workers.telemetry.logs import configure_logging

    configure_logging()
    with kafka_worker(settings) as running:
        serve(running, stuck_after_s=settings.batch.stuck_after_s)


def serve(running: Worker, *, stuck_after_s: float) -> None:
    """Run until SIGTERM or SIGINT, then finish what was read; a second one ends the process where it stands."""
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            os._exit(128 + number)  # the open transaction is aborted by the broker, its records are read again
        stopping = True
        running.stop()

    def go_on() -> None:
        signal.setitimer(signal.ITIMER_REAL, SILENCES * stuck_after_s)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    running.on_turn = go_on
    try:
        running.run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
