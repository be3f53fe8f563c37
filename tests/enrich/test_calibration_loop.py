"""From end to end: corrections in, a proposal out, a person accepts, a running worker's records change. No restart."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import orjson
import pytest

from schemas import Correction, EnrichedDocument, Origin, StageName, Verdict
from tests.cli.test_commands import enrich, named_in_environment
from tests.enrich.test_calibrations import FOUND, TEXT, calibration
from tests.fakes.insights_process import insights_python, running_insights
from tests.fakes.pipelines import oracle_worker, payload
from workers.calibrations import followed_calibrations
from workers.errors import ConfigurationError
from workers.settings import CalibrationSettings, EpochSettings, KafkaSettings, Settings
from workers.transport.base import OutgoingRecord
from workers.transport.clients import open_transport
from workers.transport.kafka_admin import create_topics, produce, read_all

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

WAIT_S = 60.0
EDGE = round((FOUND.score + 1) / 2, 4)  # verdicts say: right above; the text's own entities lie below


@pytest.fixture
def settings(kafka_settings: KafkaSettings) -> Settings:
    topic = f"{kafka_settings.input_topic}.calibrations"
    epoch = EpochSettings(max_records=4, poll_ms=20)
    return Settings(
        kafka=kafka_settings, epoch=epoch, calibration=CalibrationSettings(topic=topic, follow=True, every_s=1)
    )


def verdicts(topic: str) -> list[OutgoingRecord]:
    """On items of the type that the oracle finds in the text, right from a score on that the text does not reach."""
    rng = random.Random(1)
    records = []
    for number in range(240):
        score = round(rng.uniform(0.5, 0.9999), 4)
        correction = Correction(
            origin=Origin(topic="documents", partition=0, offset=number),
            document_id="d",
            stage=StageName.ENTITIES,
            item="e1",
            verdict=Verdict.RIGHT if score > EDGE else Verdict.WRONG,
            given=FOUND.type,
            score=score,
            model="oracle",
            revision="0" * 64,
            at=datetime.now(UTC),
        )
        records.append(OutgoingRecord(topic, correction.subject.encode(), correction.model_dump_json().encode()))
    return records


@contextmanager
def running_worker(settings: Settings) -> Iterator[None]:
    with (
        followed_calibrations(settings) as calibrations,
        oracle_worker(open_transport(settings.kafka), settings=settings, calibrations=calibrations) as worker,
    ):
        thread = Thread(target=worker.run)
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join(WAIT_S)


def enriched(kafka: KafkaSettings, number: int) -> EnrichedDocument:
    """Sends the text once more and waits for its record."""
    produce(kafka, [OutgoingRecord(kafka.input_topic, b"k", payload(TEXT, name=f"d{number}"))])
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        for record in read_all(kafka, [kafka.enriched_topic]):
            document = EnrichedDocument.model_validate_json(record.value or b"")
            if document.id == f"d{number}":
                return document
        time.sleep(0.1)
    raise AssertionError(f"document {number} did not come out")


def until_calibrated(kafka: KafkaSettings, wanted: str | None, first: int) -> EnrichedDocument:
    """Documents, one after the other, until the receipts name that calibration."""
    deadline_s, number = time.monotonic() + WAIT_S, first
    while time.monotonic() < deadline_s:
        document = enriched(kafka, number)
        named = document.receipts[0].calibration
        if (named.id if named else None) == wanted:
            return document
        number += 1
    raise AssertionError(f"no record under {wanted}")


def command(settings: Settings, *arguments: str, code: int = 0) -> str:
    environment = named_in_environment(settings.kafka) | {"ENRICH_CALIBRATION__TOPIC": settings.calibration.topic}
    done = enrich("calibrations", *arguments, environment=environment)
    assert done.returncode == code, done.stderr.decode()
    return (done.stdout if code == 0 else done.stderr).decode()


def listed(settings: Settings, state: str) -> list[str]:
    rows = [orjson.loads(line) for line in command(settings, "list", "--json").splitlines()]
    return [row["id"] for row in rows if row["state"] == state]


@pytest.mark.skipif(insights_python() is None, reason="no environment with Faust: make .venv-insights makes it")
def test_corrections_change_a_running_workers_threshold_once_somebody_accepts(
    settings: Settings, tmp_path: Path
) -> None:
    kafka, topic = settings.kafka, settings.calibration.topic
    options = {"calibration.topic": topic, "calibration.every_s": 1}
    with running_insights(kafka, tmp_path / "insights.log", **options), running_worker(settings):
        before = enriched(kafka, 0)
        assert [entity.score for entity in before.entities] == [FOUND.score] * 2
        produce(kafka, verdicts(f"{kafka.input_topic}.corrections"))
        deadline_s = time.monotonic() + WAIT_S
        while not (proposed := listed(settings, "proposed")):
            assert time.monotonic() < deadline_s, (tmp_path / "insights.log").read_text()[-2000:]
        name = proposed[0]
        assert enriched(kafka, 1).entities == before.entities  # nobody has said yes
        shown = command(settings, "list")
        assert FOUND.type in shown
        assert "-> 100%" in shown or "-> 9" in shown
        assert name in command(settings, "accept", name)
        after = until_calibrated(kafka, name, 100)
        assert after.entities == ()
        told = after.receipts[0].calibration
        assert told is not None
        assert told.thresholds[FOUND.type] > FOUND.score or told.temperature > 1
        assert (listed(settings, "accepted"), listed(settings, "proposed")) == ([name], [])
        command(settings, "revert", name)
        assert until_calibrated(kafka, None, 200).entities == before.entities
        assert "no calibration" in command(settings, "revert", name, code=2)


def test_a_worker_starts_under_what_was_accepted_and_not_without_the_topic(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match=r"calibration\.follow"), followed_calibrations(settings):
        pass
    create_topics(settings.kafka, [settings.calibration.topic], partitions=1, options={"cleanup.policy": "compact"})
    old, new = calibration("old", above=0.9), calibration("new", above=0.99)
    produce(
        settings.kafka,
        [OutgoingRecord(settings.calibration.topic, c.key.encode(), c.model_dump_json().encode()) for c in (old, new)],
    )
    with followed_calibrations(settings) as calibrations:
        assert calibrations() == (new,)
    off = settings.model_copy(update={"calibration": CalibrationSettings()})
    with followed_calibrations(off) as calibrations:
        assert calibrations() == ()
