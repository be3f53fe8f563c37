"""The project's own image, built once for the tests and run beside a Kafka and a Redis in containers of their own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import docker
from docker.models.containers import Container

ROOT = Path(__file__).parents[2]
IMAGE = "enrich-workers:test"
USER = "10001"


def build() -> str:
    """By the command of the docs. BASE_IMAGE names the base where the public one cannot be pulled; its torch comes from
    where its pip looks. A second build takes what is unchanged from the first."""
    base = os.environ.get("BASE_IMAGE")
    arguments = ["--build-arg", f"BASE_IMAGE={base}", "--build-arg", "TORCH_INDEX="] if base else []
    command = ["docker", "build", "--network", "host", "--target", "cpu", "--tag", IMAGE, *arguments]
    built = subprocess.run(
        [*command, "--file", "deploy/Dockerfile", "."], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, (built.stdout + built.stderr)[-4_000:]
    return IMAGE


@contextmanager
def running(environment: dict[str, str], *command: str) -> Iterator[Container]:
    """A container of the image as the chart runs it: no capability, a root file system that nobody writes to."""
    client = docker.from_env()
    container = client.containers.run(
        IMAGE,
        list(command),
        detach=True,
        environment=environment,
        network_mode="host",
        read_only=True,
        tmpfs={"/tmp": "", "/var/lib/enrich": f"uid={USER},gid={USER}"},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
    )
    try:
        yield container
    finally:
        container.remove(force=True)
        client.close()


def logs(container: Container) -> str:
    return str(container.logs().decode(errors="replace"))[-4_000:]


def wait_until_ready(container: Container, port: int, *, patience_s: float = 120.0) -> None:
    deadline_s = time.monotonic() + patience_s
    while probe(port, "/ready") is None:
        container.reload()
        assert container.status == "running", logs(container)
        assert time.monotonic() < deadline_s, logs(container)
        time.sleep(0.5)


def probe(port: int, path: str) -> dict[str, Any] | None:
    """What a probe answers with 200; None for anything else."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=3) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found
    except (URLError, OSError):
        return None


def stop(container: Container, *, patience_s: int = 60) -> int:
    """SIGTERM, as an orchestrator sends it; the exit code."""
    container.kill("SIGTERM")
    return int(container.wait(timeout=patience_s)["StatusCode"])
