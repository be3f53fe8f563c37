"""Documents that take a worker process down, or stop it for ever: real processes on a broker, restarted here."""

from __future__ import annotations

import signal
from pathlib import Path

import orjson
import pytest

from tests.chaos.hazards import DEAF, ENDLESS, EXIT_CODE, KILLED, LETHAL
from tests.chaos.restarts import Orchestrator, coming_out, document, orchestrated
from tests.chaos.verdict import judge, number_of
from tests.transport.clients import CLIENTS
from workers.settings import KafkaSettings
from workers.transport.kafka_admin import produce, read_all

# The embedded broker does not drop members that went away, nor does it settle when one comes back under its name.
pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.apache, pytest.mark.timeout(240)]

STUCK = 4
SMALL = {"epoch": {"max_records": 16}}
LETTER = ("worker", "killed_worker", 3, 1)


def put(kafka: KafkaSettings, count: int, bad: dict[int, str]) -> None:
    texts = (f"{bad.get(n, 'Note')} number {n}." for n in range(count))
    produce(kafka, (document(kafka.input_topic, n, text) for n, text in enumerate(texts)))


def verdict_on(orchestrator: Orchestrator, count: int, bad: dict[int, str]) -> list[tuple[object, ...]]:
    """What the dead letters say; after seeing that everything came out once and in order."""
    kafka = orchestrator.kafka
    with coming_out(kafka) as receive, orchestrated(orchestrator):
        receive(count, orchestrator.tend)
    records = read_all(kafka, (kafka.enriched_topic, kafka.dead_topic))
    found = judge(read_all(kafka, (kafka.input_topic,)), records, dead_topic=kafka.dead_topic)
    assert found.sent == count
    assert (found.lost, found.duplicated, found.out_of_order, found.changed) == (0, 0, 0, 0), (
        found,
        orchestrator.logs(),
    )
    dead = [record for record in records if record.partition.topic == kafka.dead_topic]
    assert {number_of(record) for record in dead} == set(bad), orchestrator.logs()
    letters = [orjson.loads(record.value or b"") for record in dead]
    assert not any("number" in letter["detail"] for letter in letters), "a detail quotes the text"
    return [(letter["stage"], letter["code"], letter["attempts"], letter["smallest_failing"]) for letter in letters]


@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_killer_ends_three_processes_and_no_more(
    kafka_settings: KafkaSettings, tmp_path: Path, client: str, static: bool
) -> None:
    kafka, bad = kafka_settings.model_copy(update={"client": client}), {87: LETHAL}
    put(kafka, 150, bad)
    orchestrator = Orchestrator(kafka, tmp_path, static=static, sections=SMALL)
    assert verdict_on(orchestrator, 150, bad) == [LETTER]
    assert orchestrator.exit_codes == [EXIT_CODE] * 3


def test_among_several_workers_whoever_has_its_partition_next_goes_on_counting(
    kafka_settings: KafkaSettings, tmp_path: Path
) -> None:
    bad = {60: KILLED}
    put(kafka_settings, 150, bad)
    orchestrator = Orchestrator(kafka_settings, tmp_path, workers=2, sections=SMALL)
    assert verdict_on(orchestrator, 150, bad) == [LETTER]
    assert orchestrator.exit_codes == [-signal.SIGKILL] * 3


@pytest.mark.parametrize(("mark", "code", "stuck_after_s"), [(ENDLESS, STUCK, 4), (DEAF, -signal.SIGALRM, 2)])
def test_a_forward_pass_that_never_comes_back_ends_the_process_with_a_code_of_its_own(
    kafka_settings: KafkaSettings, tmp_path: Path, mark: str, code: int, stuck_after_s: int
) -> None:
    bad = {20: mark}
    put(kafka_settings, 60, bad)
    sections = SMALL | {"batch": {"stuck_after_s": stuck_after_s}}
    orchestrator = Orchestrator(kafka_settings, tmp_path, static=True, sections=sections)
    assert verdict_on(orchestrator, 60, bad) == [LETTER]
    assert orchestrator.exit_codes == [code] * 3
    if code == STUCK:
        line = next(line for line in orchestrator.logs().splitlines() if line.startswith("enrich: "))
        assert "forward of model oracle has not come back for" in line
        assert "batch.stuck_after_s" in line
