"""`enrich insights` as an operator runs it: a process, from the environment that has Faust, and its page's answers."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from workers.settings import KafkaSettings

ROOT = Path(__file__).parents[2]
START_S = 60.0


def insights_python() -> Path | None:
    """The interpreter of `make .venv-insights`, or the one that INSIGHTS_PYTHON names."""
    named = os.environ.get("INSIGHTS_PYTHON")
    python = Path(named) if named else ROOT / ".venv-insights" / "bin" / "python"
    return python if python.exists() else None


@dataclass(slots=True)
class RunningInsights:
    process: subprocess.Popen[str]
    address: str

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=20) as answer:
            return orjson.loads(answer.read())

    def post(self, path: str, body: Mapping[str, object], *, kind: str = "application/json") -> int:
        request = urllib.request.Request(self.address + path, orjson.dumps(body), {"Content-Type": kind}, method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)

    def wait_for(self, count: str, number: int, *, timeout_s: float = 60.0) -> dict[str, Any]:
        """The overview, as soon as a total has reached `number`."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            assert self.process.poll() is None, f"it ended by itself with {self.process.returncode}"
            overview: dict[str, Any] = self.get("api/overview?window=total")
            if overview["total"].get(count, 0) >= number:
                return overview
            assert time.monotonic() < deadline_s, f"{count}: {overview['total']} and not {number}"
            time.sleep(0.2)


def environment_of(kafka: KafkaSettings, **options: object) -> dict[str, str]:
    """Options are those of `insights`, or of another section where they name it; its topics are named after the input
    topic."""
    names = ("bootstrap_servers", "enriched_topic", "dead_topic")
    environment = {f"ENRICH_KAFKA__{name.upper()}": str(getattr(kafka, name)) for name in names}
    given = {
        "group_id": f"{kafka.group_id}-insights",
        "corrections_topic": f"{kafka.input_topic}.corrections",
        "alerts_topic": f"{kafka.input_topic}.alerts",
        "port": 0,
        "calibration.topic": f"{kafka.input_topic}.calibrations",
        **options,
    }
    sections = {name if "." in name else f"insights.{name}": str(value) for name, value in given.items()}
    return environment | {f"ENRICH_{name.replace('.', '__').upper()}": value for name, value in sections.items()}


@contextmanager
def running_insights(kafka: KafkaSettings, log: Path, **options: object) -> Iterator[RunningInsights]:
    """Leaving it kills the process, as an out-of-memory killer would, if it still runs."""
    python = insights_python()
    assert python is not None
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(python), "-m", "workers.cli.main", "insights"],
            env={**os.environ, **environment_of(kafka, **options)},
            cwd=log.parent,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("insights: http"), f"{line!r}; {log.read_text()[-2000:]}"
        yield RunningInsights(process, line.split()[1])
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
