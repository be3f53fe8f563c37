"""A worker without a model: what comes in goes out, through the real transport. `python -m tests.chaos.echo_worker`.

Settings come as for `enrich worker`, from ENRICH_CONFIG and the environment. ECHO_EPOCH_MS is how long an epoch takes.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from types import FrameType

from workers.configuration import load_settings
from workers.errors import DependencyError, EnrichError
from workers.settings import Settings
from workers.transport.base import Epoch, EpochLimits, OutgoingRecord
from workers.transport.clients import open_transport

log = logging.getLogger("echo")


@dataclass(slots=True)
class UnderWay:
    epoch: Epoch
    ready_at_s: float
    published: Future[None] | None = None


class EchoWorker:
    """The worker's loop, with a clock in the place of the pipeline."""

    def __init__(self, settings: Settings, *, epoch_s: float) -> None:
        self._settings = settings
        self._epoch_s = epoch_s
        self._transport = open_transport(settings.kafka)
        self._under_way: deque[UnderWay] = deque()
        self.stopping = False

    def run(self) -> None:
        self._transport.start()
        try:
            while not (self.stopping and not self._under_way):
                try:
                    self._turn()
                except DependencyError as error:
                    log.warning("reading again: %s", error)
                    self._under_way.clear()
                    self._transport.rewind()
        finally:
            self._transport.close(timeout_s=10.0)

    def _turn(self) -> None:
        limits = EpochLimits(self._settings.epoch.max_records, self._settings.epoch.max_bytes)
        accept = not self.stopping and len(self._under_way) < self._settings.epoch.max_in_flight
        wait_s = 0.0 if self._under_way else self._settings.epoch.poll_ms / 1000
        epoch = self._transport.poll(limits, timeout_s=wait_s, accept=accept)
        if epoch is not None:
            self._under_way.append(UnderWay(epoch, time.monotonic() + self._epoch_s))
        if not self._publish_head():
            time.sleep(0.002)

    def _publish_head(self) -> bool:
        if not self._under_way:
            return True
        head = self._under_way[0]
        if head.published is None:
            if time.monotonic() < head.ready_at_s:
                return False
            topic = self._settings.kafka.enriched_topic
            records = [OutgoingRecord(topic, r.key, r.value, r.headers) for r in head.epoch.records]
            head.published = self._transport.publish(head.epoch, records)
            return True
        if head.published.done():
            head.published.result()  # raises PublishFailed
            self._under_way.popleft()
            return True
        return False


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(process)d %(name)s %(message)s")
    epoch_s = float(os.environ.get("ECHO_EPOCH_MS", "20")) / 1000
    worker = EchoWorker(load_settings(environment=os.environ), epoch_s=epoch_s)

    def stop(number: int, frame: FrameType | None) -> None:
        worker.stopping = True

    signal.signal(signal.SIGTERM, stop)
    try:
        worker.run()
    except EnrichError as error:
        log.error("%s", error)
        sys.exit(3 if isinstance(error, DependencyError) else 2)


if __name__ == "__main__":
    main()
