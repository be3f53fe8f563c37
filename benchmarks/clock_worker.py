"""`enrich worker` with a clock in the place of its model: `python -m benchmarks.clock_worker TOKENS_PER_S PASS_MS`.

Settings come as for `enrich worker`. Everything but the pass is the product's own, see `benchmarks.clock`.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from benchmarks.clock import ClockModel
from workers.compose import open_worker
from workers.configuration import load_settings
from workers.settings import DEFAULT_MODEL
from workers.telemetry.logs import configure_logging
from workers.transport.kafka import KafkaTransport


def main(tokens_per_s: float, pass_ms: float) -> None:
    configure_logging()
    settings = load_settings(environment=os.environ)
    model = ClockModel(tokens_per_s, pass_ms / 1_000)
    with open_worker(settings, {DEFAULT_MODEL: model}, KafkaTransport(settings.kafka)) as worker:

        def stop(number: int, frame: FrameType | None) -> None:
            worker.stop()

        signal.signal(signal.SIGTERM, stop)
        worker.run()


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))
