"""The embedded Kafka and Redis: one process for the demo and for tests, memory first, development only.

Owns the process it starts and ends it, also when this process dies. It knows nothing about topics.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from workers.errors import ConfigurationError, DependencyError

PR_SET_PDEATHSIG = 1
START_TIMEOUT_S = 20.0


@dataclass(slots=True)
class EmbeddedServices:
    """A running process. A context manager: leaving it ends the process."""

    bootstrap_servers: str
    redis_url: str
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path) -> Self:
        """Start both on free ports with their data in `folder`, and wait until they answer. Raises ConfigurationError
        if the package is not installed, DependencyError if they do not come up."""
        program = find_program()
        folder.mkdir(parents=True, exist_ok=True)
        kafka_port, redis_port = free_port(), free_port()
        command = [program, "start", "--data-dir", str(folder), "--only", "kafka,redis"]
        command += ["--kafka-port", str(kafka_port), "--redis-port", str(redis_port)]
        with (folder / "embedded.log").open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  our own program, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=end_with_parent if sys.platform == "linux" else None,
            )
        services = cls(f"127.0.0.1:{kafka_port}", f"redis://127.0.0.1:{redis_port}/0", process)
        try:
            wait_for_port(process, kafka_port)
            wait_for_port(process, redis_port)
        except BaseException:
            services.stop()
            raise
        return services

    def stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
                try:
                    self.process.wait(timeout=5.0)
                except subprocess.TimeoutExpired:
                    continue

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def find_program() -> str:
    """The binary itself, so that it is our child; the wheel's script would stand between. Raises ConfigurationError."""
    beside = Path(sys.executable).with_name("noida-db")
    found = str(beside) if beside.exists() else shutil.which("noida-db")
    spec = importlib.util.find_spec("noida_db")
    if spec is not None and spec.origin is not None:
        binary = Path(spec.origin).with_name("noida-db")
        if os.access(binary, os.X_OK):
            found = str(binary)
    if found is None:
        raise ConfigurationError(
            "the embedded Kafka and Redis are not installed: `pip install 'enrich-workers[local]'`, or name your own "
            "with kafka.bootstrap_servers and cache.redis_url"
        )
    return found


def end_with_parent() -> None:
    """Runs in the child: ask the kernel for a SIGTERM when the parent dies, also by SIGKILL."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise DependencyError(f"the embedded services did not come up on port {port}: {error}") from error
            time.sleep(0.05)
