"""The commands as processes: output, exit codes, one-line errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from schemas import DeadLetter, EnrichedDocument
from workers.cli.worker import ALL as WORKER
from workers.configuration import options
from workers.settings import KafkaSettings

WITHOUT_A_PORT = {"ENRICH_TELEMETRY__PORT": "0"}
SAMPLES = Path(__file__).parents[2] / "workers" / "cli" / "samples"


def enrich(
    *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "workers.cli.main", *arguments]
    return subprocess.run(
        command, input=stdin, capture_output=True, check=False, timeout=300, env={**os.environ, **(environment or {})}
    )


def named_in_environment(kafka: KafkaSettings) -> dict[str, str]:
    names = ("bootstrap_servers", "input_topic", "enriched_topic", "dead_topic", "group_id")
    return {f"ENRICH_KAFKA__{name.upper()}": str(getattr(kafka, name)) for name in names} | WITHOUT_A_PORT


@pytest.mark.parametrize(
    ("command", "not_its"),
    [("worker", {"insights", "serve"}), ("insights", {*WORKER, "serve"} - {"kafka", "calibration"})],
)
def test_every_option_of_a_command_is_in_its_help(command: str, not_its: set[str]) -> None:
    shown = enrich(command, "--help", environment={"COLUMNS": "250", "TERMINAL_WIDTH": "250"}).stdout.decode()
    assert [o.flag for o in options() if o.path[0] not in not_its and o.flag not in shown] == []
    assert "ENRICH_KAFKA__GROUP_ID" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("run", "missing.jsonl"), 2, "missing.jsonl"),
        (("run", "-", "--window-max-tokens", "9999"), 2, "window.max_tokens"),
        (("run", "-", "--model-name", "/nowhere"), 2, "/nowhere"),
        (("worker", "--no-such-option"), 2, "--no-such-option"),
        (("worker", "--config", "missing.yaml"), 2, "missing.yaml"),
    ],
)
def test_what_cannot_work_is_one_line_and_exit_code_2(arguments: tuple[str, ...], code: int, told: str) -> None:
    done = enrich(*arguments)
    assert done.returncode == code
    assert told in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_no_broker_is_exit_code_3(tmp_path: Path) -> None:
    arguments = ("worker", "--kafka-bootstrap-servers", "127.0.0.1:1", "--kafka-connect-timeout-ms", "1500")
    done = enrich(*arguments, environment=WITHOUT_A_PORT)
    assert done.returncode == 3, done.stderr.decode()
    assert "127.0.0.1:1" in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_check_tells_what_is_missing() -> None:
    done = enrich("check", "--kafka-bootstrap-servers", "127.0.0.1:1", "--kafka-connect-timeout-ms", "1500")
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 3
    assert [line[:4] for line in lines] == ["ok  "] * 6 + ["FAIL"] * 2


@pytest.mark.kafka
def test_check_passes_where_a_worker_would_start(kafka_settings: KafkaSettings) -> None:
    done = enrich("check", environment=named_in_environment(kafka_settings))
    assert done.returncode == 0, done.stdout.decode()


@pytest.mark.apache
@pytest.mark.kafka
def test_records_larger_than_a_topic_takes_are_refused_before_the_start(kafka_settings: KafkaSettings) -> None:
    limit = ("--output-max-record-bytes", "1048588")  # what a topic takes by default, which leaves no room for headers
    for command in ("check", "worker"):
        done = enrich(command, *limit, environment=named_in_environment(kafka_settings))
        assert done.returncode == 2
        assert "max.message.bytes" in done.stdout.decode() + done.stderr.decode()


def test_run_gives_a_record_a_line_in_order_and_a_dead_letter_for_each_bad_one(tmp_path: Path) -> None:
    good = (SAMPLES / "documents.jsonl").read_bytes().split(b"\n")[:6]
    bad = (SAMPLES / "bad.jsonl").read_bytes().split(b"\n")[:2]
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\n".join([*good[:3], *bad, *good[3:]]))
    done = enrich("run", str(source), "-o", str(tmp_path / "out.jsonl"))
    assert done.returncode == 0, done.stderr.decode()
    records = [
        EnrichedDocument.model_validate_json(line) for line in (tmp_path / "out.jsonl").read_bytes().split(b"\n")[:-1]
    ]
    letters = [
        DeadLetter.model_validate_json(line) for line in (tmp_path / "out.dead.jsonl").read_bytes().split(b"\n")[:-1]
    ]
    assert [record.id for record in records] == [orjson.loads(line)["id"] for line in good]
    assert [letter.origin.offset for letter in letters] == [3, 4]
    assert all(r.text is not None and r.text[e.start : e.end] == e.text for r in records for e in r.entities)
    assert sum(len(record.entities) for record in records) > 20


def test_run_reads_plain_text_from_a_file_and_json_lines_from_a_pipe(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("Angela Merkel was born in Hamburg.\nThe meeting is on Monday.\n")
    plain = enrich("run", str(source))
    assert [orjson.loads(line)["text"] for line in plain.stdout.splitlines()] == source.read_text().splitlines()
    piped = enrich("run", "-", stdin=b'{"id": "a", "text": "Angela Merkel was born in Hamburg."}\n')
    assert orjson.loads(piped.stdout)["id"] == "a"


def test_schema_check_tells_drift(tmp_path: Path) -> None:
    assert enrich("schema", "--out", str(tmp_path)).returncode == 0
    assert enrich("schema", "--out", str(tmp_path), "--check").returncode == 0
    (tmp_path / "document.schema.json").write_text("{}")
    done = enrich("schema", "--out", str(tmp_path), "--check")
    assert done.returncode == 2
    assert "document.schema.json" in done.stderr.decode()
