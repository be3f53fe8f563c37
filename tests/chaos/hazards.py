"""A worker process whose model does what the text says: `python -m tests.chaos.hazards`. Settings as for `enrich worker`.

Everything but the model is the product's: loop, transport, signals, exit codes.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.fakes.models import Asked, OracleModel
from tests.fakes.pipelines import oracle
from workers.cli.main import exit_codes
from workers.cli.worker import serve
from workers.compose import open_worker
from workers.configuration import load_settings
from workers.settings import DEFAULT_MODEL
from workers.telemetry.logs import configure_logging
from workers.text.pieces import Window
from workers.transport.clients import open_transport

LETHAL = "LETHAL"  # the process ends at once, as after an abort in native code
SEGFAULT = "SEGFAULT"  # the process ends by a signal
ENDLESS = "ENDLESS"  # the forward pass does not come back
DEAF = "DEAF"  # it does not come back and holds the interpreter
SLOW = "SLOW"  # it comes back after SLOW_S
SLOW_S = 3.0
EXIT_CODE = 77


@dataclass
class HazardousModel(OracleModel):
    def forward(self, batch: Sequence[Asked]) -> list[Window]:
        text = " ".join(asked.window.text for asked in batch)
        if LETHAL in text:
            os._exit(EXIT_CODE)
        if SEGFAULT in text:
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGSEGV)
        if ENDLESS in text:
            threading.Event().wait()
        if DEAF in text:
            re.match(r"(a|a)+$", "a" * 60 + "b")  # years of matching, without letting another thread run
        if SLOW in text:
            time.sleep(SLOW_S)
        self.batches.clear()  # what the fake remembers for its tests would be a leak here
        return super().forward(batch)


def main() -> None:
    configure_logging()
    with exit_codes():
        settings = load_settings(environment=os.environ)
        known = oracle().info
        model = HazardousModel(info=replace(known))
        with open_worker(settings, {DEFAULT_MODEL: model}, open_transport(settings.kafka)) as worker:
            print("started", flush=True)
            serve(worker, stuck_after_s=settings.batch.stuck_after_s)


if __name__ == "__main__":
    sys.exit(main())
