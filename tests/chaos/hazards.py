"""A worker process whose model does what the text says: `python -m tests.chaos.hazards`, with the worker's settings.

Everything but the model is the product's: loop, transport, signals, exit codes.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from kafka import KafkaProducer

from tests.fakes.models import Asked, OracleModel
from tests.fakes.pipelines import oracle
from workers.cli.main import exit_codes
from workers.cli.worker import serve
from workers.compose import open_worker
from workers.configuration import load_settings
from workers.errors import ModelDown
from workers.settings import DEFAULT_MODEL, KafkaSettings
from workers.telemetry.logs import configure_logging
from workers.text.pieces import Window
from workers.transport.base import Transport
from workers.transport.clients import open_transport
from workers.transport.kafka import KafkaTransport

LETHAL = "LETHAL"  # the process ends at once, as after an abort in native code
KILLED = "KILLED"  # the process ends as the kernel ends one that takes too much memory
ENDLESS = "ENDLESS"  # the forward pass does not come back
DEAF = "DEAF"  # it does not come back and holds the interpreter
SLOW_PREPARE = "SLOWPREPARE"  # preparing takes SLOW_S
SLOW_FORWARD = "SLOWFORWARD"  # the forward pass takes SLOW_S
SLOW_COMMIT = "SLOWCOMMIT"  # the transaction that publishes it takes SLOW_S
UNREACHABLE = "UNREACHABLE"  # the model is away, in a process that was told so by HAZARD_UNREACHABLE
SLOW_S = 2.0
EXIT_CODE = 77


def reached(phase: str) -> None:
    """Tells the test, which reads the log, that the process is in the middle of something."""
    print(f"reached {phase}", flush=True)


def slowly(phase: str) -> None:
    reached(phase)
    time.sleep(SLOW_S)


@dataclass
class HazardousModel(OracleModel):
    def prepare(self, windows: Sequence[Window]) -> list[Asked]:
        if any(SLOW_PREPARE in window.text for window in windows):
            slowly(SLOW_PREPARE)
        return super().prepare(windows)

    def forward(self, batch: Sequence[Asked]) -> list[Window]:
        text = " ".join(asked.window.text for asked in batch)
        if LETHAL in text:
            os._exit(EXIT_CODE)
        if KILLED in text:
            os.kill(os.getpid(), signal.SIGKILL)
        if ENDLESS in text:
            threading.Event().wait()
        if DEAF in text:
            re.match(r"(a|a)+$", "a" * 60 + "b")  # years of matching, without letting another thread run
        if SLOW_FORWARD in text:
            slowly(SLOW_FORWARD)
        if UNREACHABLE in text and "HAZARD_UNREACHABLE" in os.environ:
            reached(UNREACHABLE)
            raise ModelDown("the endpoint does not answer")
        self.batches.clear()  # what the fake remembers for its tests would be a leak here
        return super().forward(batch)


class SlowProducer(KafkaProducer):  # type: ignore[misc]  # the client has no types
    """Takes its time where a transaction is open and not committed."""

    slow = False

    def send(self, topic: str, value: bytes | None = None, **options: object) -> object:
        self.slow |= SLOW_COMMIT.encode() in (value or b"")
        return super().send(topic, value, **options)

    def commit_transaction(self) -> None:
        if self.slow:
            slowly(SLOW_COMMIT)
        self.slow = False
        super().commit_transaction()


def transport_of(kafka: KafkaSettings) -> Transport:
    if kafka.client == "kafka-python":
        return KafkaTransport(kafka, make_producer=SlowProducer)
    return open_transport(kafka)


def main() -> None:
    configure_logging()
    with exit_codes():
        settings = load_settings(environment=os.environ)
        model = HazardousModel(info=oracle().info)
        with open_worker(settings, {DEFAULT_MODEL: model}, transport_of(settings.kafka)) as worker:
            reached("start")
            serve(worker, stuck_after_s=settings.batch.stuck_after_s)


if __name__ == "__main__":
    main()
