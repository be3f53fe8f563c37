"""`enrich demo` as a newcomer meets it: a process, its output, its exit code, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

MARK = "DEMO_TEST_MARK"
LAST_LINE = re.compile(
    r"(\d+) documents in, (\d+) enriched, (\d+) dead-lettered, .*?(\d+) of (\d+) windows from the cache"
)

pytestmark = [pytest.mark.timeout(400)]


class Demo:
    """A running demo; its processes carry a mark in their environment."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-m", "workers.cli.main", "demo"],
            env={**os.environ, MARK: self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A shell that started the tests in the background has them ignore Ctrl-C, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def processes(self) -> list[int]:
        wanted = f"{MARK}={self.mark}".encode()
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if wanted in environment(entry)]

    def wait_until_gone(self) -> list[int]:
        """The processes that are left; those that were told to end get a moment."""
        deadline_s = time.monotonic() + 20
        while (left := self.processes()) and time.monotonic() < deadline_s:
            time.sleep(0.2)
        return left


def environment(process: Path) -> bytes:
    try:
        # A zombie's is empty.
        return (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def demo() -> Iterator[Demo]:
    running = Demo()
    yield running
    for number in running.processes():
        os.kill(number, signal.SIGKILL)
    running.process.wait()
    assert running.process.stdout is not None
    running.process.stdout.close()


def test_the_demo_ends_well_and_its_counts_add_up(demo: Demo) -> None:
    output, _ = demo.process.communicate(timeout=350)
    assert demo.process.returncode == 0, output
    found = LAST_LINE.search(output)
    assert found, output
    sent, enriched, dead, hits, lookups = map(int, found.groups())
    assert (sent, dead) == (enriched + dead, 2)
    assert 0 <= hits <= lookups
    assert "`text` is not a string" in output
    assert "not JSON" in output
    assert demo.wait_until_gone() == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_demo_leaves_no_process_behind(demo: Demo, number: signal.Signals) -> None:
    deadline_s = time.monotonic() + 60
    while len(demo.processes()) < 3 and time.monotonic() < deadline_s:  # demo, services, worker
        time.sleep(0.1)
    assert len(demo.processes()) >= 3
    demo.process.send_signal(number)
    demo.process.communicate(timeout=60)
    assert demo.process.returncode == (-9 if number is signal.SIGKILL else 130)
    assert demo.wait_until_gone() == []
