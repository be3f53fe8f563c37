"""The embedded services come up, answer, and go away with whoever started them."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workers.errors import ConfigurationError
from workers.settings import KafkaSettings
from workers.transport import local
from workers.transport.kafka_admin import reachable

STARTER = """
import sys, time
from pathlib import Path
from workers.transport.local import EmbeddedServices
services = EmbeddedServices.start(Path(sys.argv[1]))
print(services.bootstrap_servers, services.process.pid, flush=True)
time.sleep(60)
"""


def answers(address: str) -> bool:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except OSError:
        return False
    return True


@pytest.fixture
def installed() -> None:
    try:
        local.find_program()
    except ConfigurationError:
        pytest.skip("the extra `local` is not installed")


@pytest.mark.usefixtures("installed")
def test_both_services_answer_inside_and_none_after(tmp_path: Path) -> None:
    with local.EmbeddedServices.start(tmp_path / "new") as services:
        assert reachable(KafkaSettings(bootstrap_servers=services.bootstrap_servers))
        redis = services.redis_url.removeprefix("redis://").removesuffix("/0")
        assert answers(redis)
    assert not answers(services.bootstrap_servers)
    assert not answers(redis)


@pytest.mark.usefixtures("installed")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_the_services_die_with_a_killed_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        address, pid = parent.stdout.readline().split()
        assert answers(address)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline_s = time.monotonic() + 20.0
    while answers(address):
        assert time.monotonic() < deadline_s, f"process {pid} outlived its parent"
        time.sleep(0.05)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ConfigurationError, match=r"enrich-workers\[local\]"):
        local.EmbeddedServices.start(tmp_path)


def test_free_ports_can_be_bound() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", local.free_port()))
