"""The product's own worker over some documents, and what that cost. The clock starts with the first documents read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

from workers.batching.calibration import Budgets
from workers.compose import AnyModel, open_enricher, outgoing_of
from workers.enrich.enricher import Enricher
from workers.enrich.progress import Progress
from workers.enrich.worker import Worker
from workers.settings import Settings
from workers.transport.base import Epoch, EpochLimits, OutgoingRecord, Transport
from workers.transport.files import FileTransport

FRAME = 2  # start and end token of a window, in the packaged model and its trunk
PATIENCE_S = 7_200.0  # a run that takes longer has lost its broker


@dataclass(frozen=True, slots=True)
class Run:
    """From the first epoch's reading to the last one's commit."""

    documents: int
    seconds: float
    cpu_s: float  # of all threads of this process
    useful_tokens: int  # without padding and special tokens
    padded_tokens: int
    windows: int
    forward_s: float  # in forward passes, of all lanes together

    @property
    def documents_per_s(self) -> float:
        return self.documents / self.seconds

    @property
    def tokens_per_s(self) -> float:
        return self.useful_tokens / self.seconds

    @property
    def padding_waste(self) -> float:
        """Share of the padded area that holds no token at all."""
        empty = self.padded_tokens - self.useful_tokens - FRAME * self.windows
        return empty / self.padded_tokens if self.padded_tokens else 0.0

    @property
    def framing(self) -> float:
        """Share of the padded area that holds windows' start and end tokens, which no text has and the model reads."""
        return FRAME * self.windows / self.padded_tokens if self.padded_tokens else 0.0

    @property
    def empty(self) -> float:
        """Share of the padded area that holds no token of a text."""
        return 1 - self.useful_tokens / self.padded_tokens if self.padded_tokens else 0.0

    @property
    def device_share(self) -> float:
        """Share of the time in which the device was in a forward pass."""
        return self.forward_s / self.seconds


@dataclass(slots=True)
class Watched:
    """A transport that notes when it first gave out an epoch. Joining a group is no part of a document's price."""

    inner: Transport
    started_s: float = 0.0
    started_cpu_s: float = 0.0

    def start(self) -> None:
        self.inner.start()

    def poll(self, limits: EpochLimits, *, timeout_s: float, accept: bool) -> Epoch | None:
        before_s, before_cpu_s = time.perf_counter(), time.process_time()
        epoch = self.inner.poll(limits, timeout_s=timeout_s, accept=accept)
        if epoch is not None and not self.started_s:
            self.started_s, self.started_cpu_s = before_s, before_cpu_s
        return epoch

    def announce(self, epoch: Epoch) -> Future[None]:
        return self.inner.announce(epoch)

    def publish(self, epoch: Epoch, records: Sequence[OutgoingRecord]) -> Future[None]:
        return self.inner.publish(epoch, records)

    def farewell(self) -> Future[None]:
        return self.inner.farewell()

    def rewind(self) -> None:
        self.inner.rewind()

    def exhausted(self) -> bool:
        return self.inner.exhausted()

    def close(self, *, timeout_s: float) -> None:
        self.inner.close(timeout_s=timeout_s)


@dataclass(slots=True)
class Watch:
    """Notes when the last documents were published, and ends a worker that has published enough."""

    enough: int
    stop: Callable[[], None]
    documents: int = 0
    ended_s: float = 0.0
    ended_cpu_s: float = 0.0
    marks: list[tuple[float, int]] = field(default_factory=list)  # (seconds, documents published by then)

    def __call__(self, progress: Progress) -> None:
        if progress.dead:
            raise RuntimeError(f"{progress.dead} documents were dead-lettered: this measures nothing")
        self.documents = progress.documents
        self.ended_s, self.ended_cpu_s = time.perf_counter(), time.process_time()
        self.marks.append((self.ended_s, self.documents))
        if self.documents >= self.enough:
            self.stop()


def run_worker(
    settings: Settings,
    models: Mapping[str, AnyModel],
    transport: Transport,
    *,
    documents: int,
    budgets: Mapping[str, Budgets] | None = None,
) -> Run:
    """Until so many `documents` are published. Raises RuntimeError if one is dead-lettered, or some never come."""
    with open_enricher(settings, models, budgets or {}) as enricher:
        return run_enricher(settings, enricher, transport, documents=documents)


def run_enricher(settings: Settings, enricher: Enricher, transport: Transport, *, documents: int) -> Run:
    """As `run_worker`, with one that may have done something before. A crew's counts are half a second old, and the
    processor time is that of this process."""
    before = list(enricher.state().batchers.values())
    watched = Watched(transport)
    worker = Worker(watched, enricher, outgoing_of(settings), settings.epoch)
    watch = worker.on_progress = Watch(documents, worker.stop)
    timer = Timer(PATIENCE_S, worker.stop)
    timer.daemon = True
    timer.start()
    try:
        worker.run()
    finally:
        timer.cancel()
    after = list(enricher.state().batchers.values())

    def counted(name: str) -> float:
        return float(sum(getattr(lane, name) for lane in after) - sum(getattr(lane, name) for lane in before))

    if watch.documents < documents:
        raise RuntimeError(f"{watch.documents} of {documents} documents came out")
    return Run(
        documents=watch.documents,
        seconds=watch.ended_s - watched.started_s,
        cpu_s=watch.ended_cpu_s - watched.started_cpu_s,
        useful_tokens=int(counted("useful_tokens")),
        padded_tokens=int(counted("padded_tokens")),
        windows=int(counted("windows")),
        forward_s=counted("forward_s"),
    )


def run_file(
    settings: Settings,
    models: Mapping[str, AnyModel],
    source: Path,
    *,
    documents: int,
    budgets: Mapping[str, Budgets] | None = None,
) -> Run:
    """As `enrich run` does it, into a file beside the source."""
    return run_worker(settings, models, file_transport(settings, source), documents=documents, budgets=budgets)


def file_transport(settings: Settings, source: Path) -> FileTransport:
    """As `enrich run` makes it, into a file beside the source."""
    kafka, target = settings.kafka, source.with_suffix(".out")
    return FileTransport(
        str(source),
        str(target),
        enriched_topic=kafka.enriched_topic,
        dead_topic=kafka.dead_topic,
        max_record_bytes=settings.limits.max_record_bytes,
    )
