"""`enrich dead-letters` as a process: what it prints, and that nothing in it is obeyed by a terminal."""

from __future__ import annotations

import re
from dataclasses import replace

import orjson
import pytest

from tests.cli.test_commands import enrich
from tests.fakes.letters import NOT_JSON, dead_letter_each, send_documents, sent_back
from workers.cli.dead_letter_rows import printable, safe_json
from workers.settings import KafkaSettings
from workers.transport.kafka_admin import read_all

HOSTILE = "[bold red]d\x1b[2J\u202e\u009b7"


def run(kafka: KafkaSettings, *arguments: str, code: int = 0) -> str:
    environment = {
        f"ENRICH_KAFKA__{name.upper()}": str(getattr(kafka, name))
        for name in ("bootstrap_servers", "input_topic", "enriched_topic", "dead_topic")
    }
    done = enrich("dead-letters", *arguments, environment=environment)
    assert done.returncode == code, done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    return (done.stdout if code == 0 else done.stderr).decode()


@pytest.fixture
def kafka(kafka_settings: KafkaSettings) -> KafkaSettings:
    """Six letters of which the second and the last have a code of their own, and a hostile id."""
    failed = send_documents(kafka_settings, 6)
    ours = {failed[1].value, failed[5].value}
    hostile = replace(NOT_JSON, code="empty_text", document_id=HOSTILE)
    dead_letter_each(kafka_settings, failed, lambda record: hostile if record.value in ours else NOT_JSON)
    return kafka_settings


@pytest.mark.kafka
def test_list_count_and_show_tell_all_but_the_text(kafka: KafkaSettings) -> None:
    table = run(kafka, "list", "--limit", "3")
    assert len(re.findall(rf"{kafka.dead_topic}/\d/\d ", table)) == 3
    assert "the newest 3 of 6" in table

    rows = [orjson.loads(line) for line in run(kafka, "list", "--json").splitlines()]
    assert len(rows) == 6
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    found = [orjson.loads(line) for line in run(kafka, "list", "--json", "--code", "empty_text").splitlines()]
    assert found == [row for row in rows if row["id"] == HOSTILE]
    assert len(found) == 2
    assert run(kafka, "list", "--json", "--until", "1d", "--stage", "validate") == ""

    shown = run(kafka, "list", "--id", HOSTILE)
    assert "[bold red]d" in shown
    assert "\x1b" not in shown

    counted = run(kafka, "count")
    assert re.search(r"validate\s+invalid_json\s+4\s+0", counted)
    assert counted.index("invalid_json") < counted.index("empty_text")

    letter = run(kafka, "show", found[0]["position"])
    assert orjson.loads(letter)["letter"]["code"] == "empty_text"
    whole = run(kafka, "show", found[0]["position"], "--payload")
    assert orjson.loads(whole)["letter"]["payload"]["data"].startswith("/25vdCBKU09O")
    assert all("/25vdCBKU09O" not in text for text in (table, letter, counted))
    assert "no dead letter at" in run(kafka, "show", f"{kafka.dead_topic}/0/99", code=2)


@pytest.mark.kafka
def test_replay_and_purge_say_what_they_would_do_and_what_they_did(kafka: KafkaSettings) -> None:
    would = run(kafka, "replay", "--code", "empty_text", "--dry-run")
    assert would.count("would be replayed") == 3
    assert sent_back(kafka) == []
    assert "2 letters replayed to" in run(kafka, "replay", "--code", "empty_text")
    assert "4 letters replayed to" in run(kafka, "replay", "--since", "1h")
    assert "0 letters replayed to" in (again := run(kafka, "replay"))
    assert "6 were before" in again
    assert len(sent_back(kafka)) == 6
    assert "6 letters, 6 of them replayed" in run(kafka, "count")

    assert "6 letters would be deleted" in run(kafka, "purge", "--before", "0s", code=2)
    assert len(read_all(kafka, [kafka.dead_topic])) == 6
    assert "6 letters deleted" in run(kafka, "purge", "--before", "0s", "--yes")
    assert read_all(kafka, [kafka.dead_topic]) == []


@pytest.mark.parametrize(
    "arguments",
    [("list", "--since", "soon"), ("show", "here"), ("replay", "--position", "x/1"), ("purge", "--before", "x/y/z")],
)
def test_what_makes_no_sense_is_exit_code_2_before_a_broker_is_asked(arguments: tuple[str, ...]) -> None:
    done = enrich("dead-letters", *arguments, environment={"ENRICH_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert done.returncode == 2
    assert len(done.stderr.decode().splitlines()) == 1


def test_what_is_printed_is_one_line_without_controls_and_json_stays_json() -> None:
    assert printable("a\nb\x07é中\U000e0001") == "a\\u000ab\\u0007é中\\udb40\\udc01"
    assert orjson.loads(safe_json({"id": HOSTILE}, indent=True)) == {"id": HOSTILE}
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", safe_json({"id": HOSTILE}, indent=True))
