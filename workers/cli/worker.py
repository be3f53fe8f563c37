"""`enrich worker`: enrich what comes on the input topic until told to stop."""

from __future__ import annotations

import os
import signal
from types import FrameType

from workers.cli.options import with_settings
from workers.settings import Settings

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
    "telemetry",
)


@with_settings(*ALL)
def worker(*, settings: Settings) -> None:
    """Enrich documents from the input topic until SIGTERM; a second one stops at once, still exactly once."""
    from workers.compose import kafka_worker
    from workers.telemetry.logs import configure_logging

    configure_logging()
    with kafka_worker(settings) as running:
        stopping = False

        def stop(number: int, frame: FrameType | None) -> None:
            nonlocal stopping
            if stopping:
                os._exit(128 + number)  # the open transaction is aborted by the broker, its records are read again
            stopping = True
            running.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        running.run()
