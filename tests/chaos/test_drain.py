"""SIGTERM in every phase of a worker: it finishes what it read and ends with 0; a second one ends it where it stands.

Whatever was not published then is published by its successor, and nothing twice.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.chaos.hazards import SLOW_COMMIT, SLOW_FORWARD, SLOW_PREPARE, UNREACHABLE
from tests.chaos.restarts import Orchestrator, coming_out, document, orchestrated
from tests.chaos.verdict import judge
from workers.settings import KafkaSettings
from workers.transport.kafka_admin import produce, read_all

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.timeout(240)]

COUNT = 150  # so many that some are left, also if the partition with the slow one is read last
DRAIN_S = 15.0
IDLE = "start"  # nothing to read yet, so it joins and polls
BUSY = [SLOW_PREPARE, SLOW_FORWARD, SLOW_COMMIT]


def stopped_in(phase: str, kafka: KafkaSettings, folder: Path, *, signals: int) -> tuple[int, int]:
    """Exit code of a worker that was told to stop in this phase, and how many documents it had published. Then a
    successor publishes the rest, and everything must be there once."""
    orchestrator = Orchestrator(
        kafka, folder, static=signals > 1, sections={"epoch": {"max_records": 8, "drain_s": DRAIN_S}}
    )
    topics = (kafka.enriched_topic, kafka.dead_topic)
    if phase == UNREACHABLE:
        orchestrator.environment["HAZARD_UNREACHABLE"] = "1"
    records = [document(kafka.input_topic, n, f"{phase if n == 20 else 'Note'} number {n}.") for n in range(COUNT)]
    with orchestrated(orchestrator):
        if phase != IDLE:
            produce(kafka, records)
        process = orchestrator.start()
        orchestrator.wait_for(phase)
        for _ in range(signals):
            process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=DRAIN_S + 30)
        published = len(read_all(kafka, topics, timeout_s=60.0))
        if phase == IDLE:
            produce(kafka, records)
        orchestrator.environment.clear()
        orchestrator.start()
        with coming_out(kafka) as receive:
            receive(COUNT, lambda: None)
    verdict = judge(read_all(kafka, (kafka.input_topic,)), read_all(kafka, topics), dead_topic=kafka.dead_topic)
    assert verdict.sent == COUNT
    assert verdict.exact, (verdict, orchestrator.logs())
    assert "Traceback" not in orchestrator.logs()
    return code, published


@pytest.mark.parametrize("phase", [IDLE, *BUSY, UNREACHABLE])
def test_a_worker_that_is_told_to_stop_finishes_what_it_read(
    kafka_settings: KafkaSettings, tmp_path: Path, phase: str
) -> None:
    code, published = stopped_in(phase, kafka_settings, tmp_path, signals=1)
    assert code == 0
    assert published < COUNT, "nothing was left for the successor: the test shows nothing"
    assert (published == 0) == (phase == IDLE) or phase == UNREACHABLE


@pytest.mark.apache  # the embedded broker does not drop members that went away
@pytest.mark.parametrize("phase", BUSY)
def test_a_worker_that_is_told_twice_stops_at_once_and_loses_nothing(
    kafka_settings: KafkaSettings, tmp_path: Path, phase: str
) -> None:
    code, published = stopped_in(phase, kafka_settings, tmp_path, signals=2)
    assert code in {128 + signal.SIGTERM, 0}  # 0: two signals that come together are one
    assert published < COUNT
