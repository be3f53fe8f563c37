"""`enrich demo`: a real broker, a real worker process and the sample documents, on this machine, for a minute.

Everything it starts it also ends: after success, failure and Ctrl-C alike.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from schemas import DeadLetter, EnrichedDocument
from workers.cli.demo_page import PAGE_NEEDS, insights_process, insights_python, show_page
from workers.cli.show import show_dead_letter, show_enriched
from workers.errors import ConfigurationError, DependencyError
from workers.settings import KafkaSettings
from workers.transport.base import IncomingRecord, OutgoingRecord

PARTITIONS = 4
SILENCE_S = 180.0  # without a single new record: the worker is lost
SHOWN_KINDS = ("biography", "news")  # one record of each is printed in full
REPORT_KIND = "report"
EDIT = (" the ", " this ")  # the report comes again with its first match changed: its other windows are in the cache


@dataclass(slots=True)
class Seen:
    """What a committed reader of the output topics has seen."""

    enriched: list[EnrichedDocument] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    cache_hits: int = 0
    cache_lookups: int = 0

    @property
    def count(self) -> int:
        return len(self.enriched) + len(self.dead)

    def add(self, records: Sequence[IncomingRecord], dead_topic: str) -> None:
        for record in records:
            if record.partition.topic == dead_topic:
                self.dead.append(DeadLetter.model_validate_json(record.value or b""))
                continue
            self.enriched.append(EnrichedDocument.model_validate_json(record.value or b""))
            run = orjson.loads(dict(record.headers)["enrich-run"] or b"{}")
            self.cache_hits += run["cache_hits"]
            self.cache_lookups += run["cache_lookups"]


def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="leave it running, with a live page, until Ctrl-C")] = False,
) -> None:
    """Start an embedded Kafka and Redis and a worker, send the sample documents, and show what comes back."""
    from workers.transport.kafka_admin import create_topics
    from workers.transport.local import EmbeddedServices

    console = Console()
    signal.signal(signal.SIGTERM, _interrupt)
    if keep and insights_python() is None:
        raise ConfigurationError(PAGE_NEEDS)
    with tempfile.TemporaryDirectory(prefix="enrich-demo-") as folder, EmbeddedServices.start(Path(folder)) as services:
        kafka = KafkaSettings(bootstrap_servers=services.bootstrap_servers)
        create_topics(kafka, (kafka.input_topic, kafka.enriched_topic, kafka.dead_topic), partitions=PARTITIONS)
        console.print(f"Kafka at {services.bootstrap_servers}, Redis at {services.redis_url}, one worker process")
        with (
            worker_process(kafka, services.redis_url, Path(folder) / "worker.log") as alive,
            insights_process(kafka, Path(folder) / "insights.log", wanted=keep) as address,
        ):
            seen, sent, rate = enrich_samples(console, kafka, alive)
            if said := _tail(Path(folder) / "worker.log"):
                console.print(f"the worker said: {said}", markup=False)
            report(console, seen, sent=sent, rate=rate)
            if keep:
                show_page(address, alive)
            else:
                typer.echo("enrich demo --keep leaves it running, with a live page of all this")


def enrich_samples(console: Console, kafka: KafkaSettings, alive: Callable[[], None]) -> tuple[Seen, int, float]:
    """Send the samples and read what comes back: what it was, how many were sent, and documents a second."""
    from workers.transport.kafka_admin import produce
    from workers.transport.kafka_reader import committed_reader

    samples, seen = sample_records(), Seen()
    with (
        committed_reader(kafka, (kafka.enriched_topic, kafka.dead_topic)) as poll,
        progress_bar(console, len(samples) + 1) as advance,
    ):

        def receive(wanted: int) -> None:
            last_s = time.monotonic()
            while seen.count < wanted:
                alive()
                if records := poll(0.2):
                    last_s = time.monotonic()
                    seen.add(records, kafka.dead_topic)
                    advance(seen.count)
                elif time.monotonic() - last_s > SILENCE_S:
                    raise DependencyError(f"nothing came back for {SILENCE_S:.0f} s: see the worker's log above")

        # The first document waits for the model to load; the clock for documents a second starts when it is back.
        produce(kafka, samples[:1])
        receive(1)
        started_s = time.monotonic()
        produce(kafka, samples[1:])
        receive(len(samples))
        produce(kafka, [edited_report(samples)])
        receive(len(samples) + 1)
        return seen, len(samples) + 1, len(samples) / (time.monotonic() - started_s)


def sample_records() -> list[OutgoingRecord]:
    """The packaged documents, keyed by id, and two records that cannot be enriched."""
    folder = files("workers.cli") / "samples"
    topic = KafkaSettings().input_topic
    lines = (folder / "documents.jsonl").read_bytes().splitlines()
    bad = (folder / "bad.jsonl").read_bytes().splitlines()
    good = [OutgoingRecord(topic, orjson.loads(line)["id"].encode(), line) for line in lines]
    return good + [OutgoingRecord(topic, b"bad-%d" % number, line) for number, line in enumerate(bad, start=1)]


def edited_report(samples: Sequence[OutgoingRecord]) -> OutgoingRecord:
    """The long report again, under its key, with one word changed near the start."""
    for sample in samples:
        if sample.value and f'"kind": "{REPORT_KIND}"'.encode() in sample.value:
            document = orjson.loads(sample.value)
            document["text"] = document["text"].replace(*EDIT, 1)
            return OutgoingRecord(sample.topic, sample.key, orjson.dumps(document))
    raise AssertionError("the samples hold no report. This is a bug.")


@contextmanager
def worker_process(kafka: KafkaSettings, redis_url: str, log: Path) -> Iterator[Callable[[], None]]:
    """A worker in a process of its own. Yields a function that raises DependencyError if it has ended."""
    from workers.transport.local import end_with_parent

    options: Mapping[str, str] = {
        "ENRICH_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "ENRICH_CACHE__KIND": "redis",
        "ENRICH_CACHE__REDIS_URL": redis_url,
        "ENRICH_TELEMETRY__PORT": "0",
        "ENRICH_CACHE__TIMEOUT_MS": "1000",  # broker, Redis, worker and reader share this machine
    }
    command = [sys.executable, "-m", "workers.cli.main", "worker"]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            command,
            env={**os.environ, **options},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )

    def alive() -> None:
        if process.poll() is not None:
            raise DependencyError(f"the worker ended with exit code {process.returncode}: {_tail(log)}")

    try:
        yield alive
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def progress_bar(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("loading the model", total=total)
        yield lambda count: bar.update(task, completed=count, description="enriching")


def report(console: Console, seen: Seen, *, sent: int, rate: float) -> None:
    """Two records, the dead letters, and the line that adds up."""
    for kind in SHOWN_KINDS:
        show_enriched(console, next(d for d in seen.enriched if d.metadata.get("kind") == kind))
    console.rule(" dead letters ", align="left")
    for letter in seen.dead:
        show_dead_letter(console, letter)
    console.rule()
    typer.echo(
        f"{sent} documents in, {len(seen.enriched)} enriched, {len(seen.dead)} dead-lettered, "
        f"{rate:.1f} documents/s, {seen.cache_hits} of {seen.cache_lookups} windows from the cache"
    )
    if sent != seen.count:
        raise DependencyError(f"{sent} documents went in and {seen.count} came out")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _tail(log: Path, lines: int = 3) -> str:
    return " / ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
