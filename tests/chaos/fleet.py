"""The worker processes of a chaos run, by slot. One that ends by itself is started again, as an orchestrator would."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.plan import Plan
from tests.chaos.processes import ended, start_worker
from workers.settings import KafkaSettings

RESTART_PAUSE_S = 1.0  # of a worker that ended by itself
STOP_S = 40.0  # for a worker to drain and leave; then it is killed, and counted
MOST_EXITS = 50  # of one run; beyond it something is wrong that no restart mends


@dataclass(slots=True)
class Fleet:
    """Methods may be called from two threads: the one that injects faults, and the one that watches."""

    plan: Plan
    settings_of: Callable[[int], KafkaSettings]  # by slot
    folder: Path
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    starts: int = 0
    exits: list[tuple[int, int]] = field(default_factory=list)  # slot and exit code of those that ended by themselves
    hung: int = 0  # did not end within STOP_S of SIGTERM
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _due_s: dict[int, float] = field(default_factory=dict)  # when a slot is to be started again

    def start(self, slot: int) -> None:
        """With its share of the cores, as a pod has it: threads of several workers for each core hold each other up."""
        with self._lock:
            self.starts += 1
            self.processes[slot] = start_worker(
                shlex.split(self.plan.command),
                self.settings_of(slot),
                {"epoch": {"max_records": self.plan.epoch_records, "processes": self.plan.processes}},
                self.folder,
                slot=slot,
                number=self.starts,
                static=self.plan.static,
                environment={
                    "ENRICH_TELEMETRY__PORT": "0",
                    "ENRICH_MODEL__THREADS": str(max(1, (os.cpu_count() or 1) // self.plan.workers)),
                    "ECHO_EPOCH_MS": str(self.plan.epoch_ms),
                },
                without=("ENRICH_CONFIG", "ENRICH_KAFKA_", "ENRICH_EPOCH_"),
            )

    def kill(self, slot: int) -> None:
        with self._lock:
            self.processes[slot].kill()
            self.processes[slot].wait()
            self.start(slot)

    def kill_member(self, slot: int) -> None:
        """One of the processes that the worker has started, if it has them by now. What becomes of it is its affair."""
        with self._lock:
            number = self.processes[slot].pid
        children = Path(f"/proc/{number}/task/{number}/children").read_text(encoding="ascii").split()
        if children:
            os.kill(int(children[-1]), signal.SIGKILL)

    def stop(self, slot: int) -> None:
        with self._lock:
            self.processes[slot].terminate()
            self._wait(self.processes[slot])
            self.start(slot)

    def freeze(self, slot: int, seconds: float) -> None:
        with self._lock:
            process = self.processes[slot]
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)

    def watch(self) -> None:
        """Starts again what ended by itself. Raises RuntimeError if that happens all the time."""
        if not self._lock.acquire(blocking=False):
            return  # a fault is about to start it
        try:
            for slot, process in self.processes.items():
                if (code := process.poll()) is None:
                    continue
                if slot not in self._due_s:
                    self.exits.append((slot, code))
                    self._due_s[slot] = time.monotonic() + RESTART_PAUSE_S
                elif time.monotonic() >= self._due_s[slot]:
                    del self._due_s[slot]
                    self.start(slot)
        finally:
            self._lock.release()
        if len(self.exits) > MOST_EXITS:
            raise RuntimeError(f"workers ended by themselves {len(self.exits)} times: see the logs in {self.folder}")

    def end(self) -> None:
        with self._lock:
            for process in self.processes.values():
                process.send_signal(signal.SIGCONT)
                process.terminate()
            for process in self.processes.values():
                self._wait(process)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        self.hung += not ended(process, within_s=STOP_S)
