"""`enrich run` with a crew of real processes and the packaged model: same bytes, and none outlives the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from tests.cli.test_commands import enrich
from tests.fakes.pipelines import payload
from workers import crew
from workers.crew_process import own_part
from workers.enrich.crew_messages import Begin
from workers.models import device_memory, precision
from workers.settings import ModelSettings, OpenAiModel, Settings

pytestmark = pytest.mark.timeout(300)

TWO = {"ENRICH_EPOCH__PROCESSES": "2", "ENRICH_EPOCH__MAX_RECORDS": "4"}
TEXTS = ("Anna Berg works for Nokia in Espoo.", "IBM bought Red Hat in 2019.", "Nothing happened. Nobody came.")
WAIT_S = 120.0


def children_of(process: int) -> list[int]:
    """Process ids."""
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def alive(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(condition: object, *, what: str) -> None:
    assert callable(condition)
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s, f"{what} in {WAIT_S:.0f} s"
        time.sleep(0.05)


@contextmanager
def running(out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Reads standard input, and has published its first documents."""
    command = [sys.executable, "-m", "workers.cli.main", "run", "-", "-o", str(out)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **TWO})
    assert process.stdin is not None
    try:
        process.stdin.write(b"".join(payload(text) + b"\n" for text in TEXTS * 4))
        process.stdin.flush()
        partial = out.with_name(out.name + ".partial")
        wait_until(lambda: partial.exists() and partial.stat().st_size > 0, what="no document was published")
        yield process
    finally:
        process.kill()
        process.communicate()


def test_two_processes_write_what_one_writes(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"".join(payload(f"{text} {n}.", name=str(n)) + b"\n" for n in range(10) for text in TEXTS))
    written = []
    for environment in ({}, TWO):
        ended = enrich("run", str(source), "-o", str(tmp_path / "out.jsonl"), environment=environment)
        assert ended.stderr.decode().splitlines() == ["30 documents in, 30 enriched, 0 dead-lettered"]
        written.append((tmp_path / "out.jsonl").read_bytes())
    assert written[0] == written[1]


def test_what_cannot_be_loaded_is_one_line_and_no_process_is_left(tmp_path: Path) -> None:
    ended = enrich("run", "-", environment={**TWO, "ENRICH_MODEL__NAME": str(tmp_path / "nowhere")})
    assert ended.returncode == 2
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith("enrich: ")
    assert "nowhere" in line


def test_a_process_that_is_killed_ends_the_worker_and_the_others(tmp_path: Path) -> None:
    with running(tmp_path / "out.jsonl") as process:
        wait_until(lambda: len(children_of(process.pid)) == 2, what="there was one process")
        first, second = children_of(process.pid)
        os.kill(first, signal.SIGKILL)
        assert process.stdin is not None
        process.stdin.write(payload("One more text.") + b"\n")
        process.stdin.flush()
        assert process.wait(WAIT_S) == 3
        assert process.stderr is not None
        assert "an enriching process is gone: ended by signal 9" in process.stderr.read().decode()
        wait_until(lambda: not alive(second), what="the other process did not end")


def test_no_process_outlives_a_worker_that_is_killed(tmp_path: Path) -> None:
    with running(tmp_path / "out.jsonl") as process:
        wait_until(lambda: len(children_of(process.pid)) == 2, what="there was one process")
        children = children_of(process.pid)
        process.kill()
        wait_until(lambda: not any(map(alive, children)), what="they did not end")


def test_several_processes_are_wanted_where_they_are_asked_for_or_where_a_gpu_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = tmp_path / "nvidiactl"
    monkeypatch.setattr(crew, "GPUS", (gpu,))
    monkeypatch.setattr(crew, "usable_cores", lambda: 16)
    monkeypatch.setattr(crew, "usable_memory_bytes", lambda: 64 << 30)
    plain = Settings()
    three = Settings.model_validate({"epoch": {"processes": 3}})
    on_cpu = Settings(model=ModelSettings(device="cpu"))
    remote = OpenAiModel(kind="openai", base_url="http://127.0.0.1:1/v1", model="m")
    elsewhere = Settings.model_validate({"models": {"far": remote}, "stages": {"summary": {"model": "far"}}})
    assert crew.processes_wanted(plain) == (1, False)
    gpu.touch()
    assert crew.processes_wanted(plain) == (crew.MOST_ON_A_GPU, True)
    assert crew.processes_wanted(three) == (3, False)
    assert crew.processes_wanted(on_cpu) == crew.processes_wanted(elsewhere) == (1, False)
    monkeypatch.setattr(crew, "usable_memory_bytes", lambda: 5 << 30)
    assert crew.processes_wanted(plain) == (2, True)
    monkeypatch.setattr(crew, "usable_cores", lambda: 1)
    assert crew.processes_wanted(plain) == (1, True)


def test_the_first_process_finds_out_how_many_the_gpu_has_memory_for(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Begin(Settings(), "worker", 8, only_on_a_gpu=True)
    shares: list[int] = []
    monkeypatch.setattr(device_memory, "take_share", shares.append)  # or the GPU of this machine would be divided
    monkeypatch.setattr(precision, "choose_device", lambda name: torch.device("cpu"))
    assert own_part(wanted) == (wanted.settings, 1)
    monkeypatch.setattr(precision, "choose_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(device_memory, "smallest_gpu_bytes", lambda: 15 << 30)
    settings, processes = own_part(wanted)
    assert (processes, settings.model.threads) == (3, 1)
    assert settings.epoch.max_in_flight_tokens == wanted.settings.epoch.max_in_flight_tokens // 3
    asked_for = Begin(Settings(), "worker", 8, only_on_a_gpu=False)
    assert own_part(asked_for)[1] == 8, "who asks for a number gets it"
    assert shares == [3, 8]
