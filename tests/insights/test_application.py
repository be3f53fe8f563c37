"""The Faust application as a process on a broker: exact through `kill -9`, blind to what was aborted."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from tests.fakes.enriched_records import enriched, stream
from tests.fakes.insights_process import insights_python, running_insights
from tests.transport.plain import plain_producer
from workers.settings import KafkaSettings
from workers.transport.base import OutgoingRecord
from workers.transport.kafka_admin import produce, read_all

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(300),
    pytest.mark.skipif(insights_python() is None, reason="no environment with Faust: make .venv-insights makes it"),
]


def records(kafka: KafkaSettings, count: int, *, seed: int) -> list[OutgoingRecord]:
    now_ms = time.time_ns() // 1_000_000
    topics = kafka.enriched_topic, kafka.dead_topic
    return list(stream(count, enriched_topic=topics[0], dead_topic=topics[1], sent_ms=now_ms, seed=seed))


def plain_count(kafka: KafkaSettings, sent: Sequence[OutgoingRecord]) -> tuple[dict[str, int], Counter[str]]:
    """Outcomes and labels, counted without any of what is tested."""
    totals, labels = Counter[str](), Counter[str]()
    for record in sent:
        value = orjson.loads(record.value or b"")
        totals["records"] += 1
        totals["dead" if record.topic == kafka.dead_topic else "enriched"] += 1
        if record.topic == kafka.enriched_topic:
            labels[value["classification"]["labels"][0]["name"]] += 1
    return dict(totals), labels


def test_totals_are_exact_through_kills_and_aborted_transactions(kafka_settings: KafkaSettings, tmp_path: Path) -> None:
    kafka, log = kafka_settings, tmp_path / "insights.log"
    sent = records(kafka, 1_500, seed=1)
    produce(kafka, sent)
    options = {"batch_records": 50, "batch_wait_ms": 50}  # many small batches to be in the middle of
    for reached in (100, 900):
        with running_insights(kafka, log, **options) as insights:
            insights.wait_for("records", reached)
            insights.process.send_signal(signal.SIGKILL)
    more = records(kafka, 700, seed=2)
    with plain_producer(kafka) as producer:
        producer.begin_transaction()
        for number in range(30):
            producer.send(kafka.enriched_topic, enriched(number, label="aborted").model_dump_json().encode())
        producer.flush()
        producer.abort_transaction()
    produce(kafka, more)
    with running_insights(kafka, log, **options) as insights:
        overview = insights.wait_for("records", len(sent) + len(more))
        time.sleep(1.0)  # what should not be counted would come now
        overview = insights.get("api/overview?window=total")
        totals, labels = plain_count(kafka, sent + more)
        assert {name: overview["total"][name] for name in totals} == totals
        assert dict(overview["mixes"]["labels"]) == labels
        assert overview["seconds"]["latency"] is not None
        insights.process.send_signal(signal.SIGTERM)
        assert insights.process.wait(timeout=60) == 0
    assert '"logger":"workers.' not in log.read_text()


def test_a_correction_from_the_page_is_kept_and_counted(kafka_settings: KafkaSettings, tmp_path: Path) -> None:
    kafka, log = kafka_settings, tmp_path / "insights.log"
    produce(kafka, [OutgoingRecord(kafka.enriched_topic, b"k", enriched().model_dump_json().encode())])
    with running_insights(kafka, log) as insights:
        insights.wait_for("enriched", 1)
        position = insights.get("api/records")[0]["position"]
        body = {"position": position, "stage": "entities", "item": "e3", "verdict": "wrong", "expected": "ORG"}
        assert insights.post("api/corrections", body) == 200
        deadline_s = time.monotonic() + 60
        while not (rows := insights.get("api/overview?window=total")["precision"]):
            assert time.monotonic() < deadline_s, "the correction was not counted"
            time.sleep(0.2)
    assert [(row["given"], row["right"], row["judged"]) for row in rows] == [("LOC", 0, 1)]
    kept = read_all(kafka, [f"{kafka.input_topic}.corrections"])
    assert [record.key for record in kept] == [b"documents/0/0/entities/e3"]
    with running_insights(kafka, log) as insights:
        deadline_s = time.monotonic() + 60
        while insights.get("api/overview?window=total")["precision"] != rows:
            assert time.monotonic() < deadline_s, "the verdict was lost over a restart"
            time.sleep(0.2)


def test_it_needs_neither_torch_nor_transformers() -> None:
    python = insights_python()
    assert python is not None
    code = (
        "import sys, workers.cli.main, workers.cli.insights, workers.insights.application\n"
        "sys.exit(bool({'torch', 'transformers', 'tokenizers'} & set(sys.modules)))"
    )
    assert subprocess.run([str(python), "-c", code], check=False).returncode == 0
