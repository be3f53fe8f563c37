"""`enrich worker` as an operator runs it: a process with the packaged model, stopped midway and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from benchmarks.scrape import Scrape, scrape
from tests.cli.test_commands import named_in_environment
from workers.settings import KafkaSettings
from workers.telemetry import names
from workers.transport.base import IncomingRecord, OutgoingRecord
from workers.transport.kafka_admin import produce, read_all
from workers.transport.kafka_reader import committed_reader
from workers.transport.local import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

TEXT = "Ada Lovelace met Charles Babbage in London. "


@contextmanager
def worker(kafka: KafkaSettings, log: Path, *, port: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    environment = named_in_environment(kafka) | {
        "ENRICH_TELEMETRY__PORT": str(port),
        "ENRICH_KAFKA__GROUP_INSTANCE_ID": "worker-0",
        "ENRICH_EPOCH__MAX_RECORDS": "4",
    }
    with log.open("ab") as output:
        command = [sys.executable, "-m", "workers.cli.main", "worker"]
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def receive(poll: Callable[[float], list[IncomingRecord]], count: int, process: subprocess.Popen[bytes]) -> int:
    """Wait until at least `count` records came out; how many did."""
    seen, deadline_s = 0, time.monotonic() + 100
    while seen < count:
        assert process.poll() is None, "the worker ended by itself"
        assert time.monotonic() < deadline_s, f"{seen} of {count} came out"
        seen += len(poll(0.2))
    return seen


def settled(port: int, documents: int) -> Scrape:
    """What the worker tells once it knows that it has caught up: a reader may see a commit before it does."""
    deadline_s = time.monotonic() + 60
    while True:
        seen = scrape("127.0.0.1", port)
        if seen is not None and seen.total(names.DOCUMENTS) >= documents and seen.value(names.BACKLOG_SECONDS) == 0:
            return seen
        assert time.monotonic() < deadline_s, "the worker does not say that it has caught up"
        time.sleep(0.2)


def test_a_stopped_worker_ends_well_and_its_successor_goes_on_where_it_ended(
    kafka_settings: KafkaSettings, tmp_path: Path
) -> None:
    kafka, count, log = kafka_settings, 160, tmp_path / "worker.log"
    texts = [orjson.dumps({"id": str(n), "text": f"{TEXT * 8} Note {n}.", "language": "en"}) for n in range(count)]
    produce(kafka, [OutgoingRecord(kafka.input_topic, b"key-%d" % (n % 5), text) for n, text in enumerate(texts)])
    with committed_reader(kafka, (kafka.enriched_topic, kafka.dead_topic)) as poll:
        with worker(kafka, log) as process:
            first = receive(poll, 1, process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
        first += sum(len(poll(0.5)) for _ in range(4))
        assert first < count, "nothing was left for the successor: the test shows nothing"
        port = free_port()
        with worker(kafka, log, port=port) as process:
            receive(poll, count - first, process)
            seen = settled(port, count - first)
            assert seen.value(names.DOCUMENTS, outcome="enriched") == count - first
            assert seen.value(names.READY) == 1
            assert seen.value(names.ASSIGNED_PARTITIONS) == 3
            assert seen.value(names.WINDOWS, model="default") >= count - first
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
    records = read_all(kafka, [kafka.enriched_topic])
    answers = [orjson.loads(record.value or b"") for record in records]
    assert sorted(int(answer["id"]) for answer in answers) == list(range(count))
    assert {"Ada Lovelace", "London"} <= {entity["text"] for entity in answers[0]["entities"]}
    assert '"logger":"workers.' not in log.read_text(), (
        "a healthy worker is silent"
    )  # the client may speak of its broker
