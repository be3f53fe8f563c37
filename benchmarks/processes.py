"""Worker processes for benchmarks: started with their settings in a file, looked after, and ended by their ids."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workers.configuration import FILE_VARIABLE, PREFIX, as_yaml
from workers.errors import DependencyError
from workers.settings import Settings

ENRICH_WORKER = ("workers.cli.main", "worker")
END_S = 30.0  # for a worker to finish what it read


@dataclass(frozen=True, slots=True)
class Processes:
    """Some workers of one group."""

    running: tuple[subprocess.Popen[bytes], ...]
    logs: tuple[Path, ...]

    def require_alive(self) -> None:
        """Raises DependencyError with the last words of one that has ended."""
        for process, log in zip(self.running, self.logs, strict=True):
            if process.poll() is not None:
                said = log.read_text(encoding="utf-8", errors="replace")[-500:]
                raise DependencyError(f"a worker ended with exit code {process.returncode}: {said}")


@contextmanager
def worker_processes(
    settings: Settings, folder: Path, *, count: int = 1, module: Sequence[str] = ENRICH_WORKER
) -> Iterator[Processes]:
    """`count` processes `python -m MODULE`, each with these settings and nothing else of the environment's ENRICH_."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "worker.yaml"
    config.write_text(as_yaml(settings), encoding="utf-8")
    environment: Mapping[str, str] = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    logs = tuple(folder / f"worker-{number}.log" for number in range(count))
    running: list[subprocess.Popen[bytes]] = []
    try:
        for log in logs:
            with log.open("wb") as output:
                command = [sys.executable, "-m", *module]
                environment = {**environment, FILE_VARIABLE: str(config)}
                running.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output))
        yield Processes(tuple(running), logs)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
