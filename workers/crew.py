"""How many processes enrich for a worker, and how they are started and ended. What each runs is `crew_process`.

One process, which is the usual case, is the worker's own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread

from workers.batching.calibration import calibrated_speed
from workers.budgets import measured_budgets
from workers.calibrations import Calibrations
from workers.compose import load_models, open_enricher, worker_name
from workers.cores import usable_cores, usable_memory_bytes
from workers.crew_process import served_models
from workers.enrich.crew import Crew, Mate
from workers.enrich.crew_messages import Begin, Ready, Refused
from workers.enrich.enricher import Enricher
from workers.errors import DeviceLost, EnrichError
from workers.settings import ModelSettings, Settings
from workers.telemetry.sources import ServedModel

SILENCES = 2  # of `batch.stuck_after_s`, as of the loop itself
MOST_ON_A_GPU = 8  # where nothing is set; on an H100 more add little
MEMORY_EACH = 2 << 30  # bytes, of a process with the packaged model on a GPU; seen were 1.5 GB
LEAVE_S = 10.0  # to close caches and models
GPUS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # on Linux, and on the Linux in Windows


@dataclass(frozen=True, slots=True)
class Staff:
    """Who enriches for a worker, models loaded and measured, and what is known of them."""

    enricher: Enricher
    served: tuple[ServedModel, ...]
    tokens_per_s: float | None  # as calibrated
    memory: Callable[[], Mapping[str, Mapping[str, int]]]  # of devices: bytes by device and kind
    load_s: float


@contextmanager
def open_staff(settings: Settings, *, calibrations: Calibrations = tuple) -> Iterator[Staff]:
    """This process, or several that are started here: then only in the main thread, at whose end they are killed.

    Raises what loading a model raises, and DeviceLost if a process is gone before it is ready.
    """
    most, only_on_a_gpu = processes_wanted(settings)
    opened = _alone if most == 1 else partial(_crew, most=most, only_on_a_gpu=only_on_a_gpu)
    with opened(settings, calibrations=calibrations) as staff:
        yield staff


def processes_wanted(settings: Settings) -> tuple[int, bool]:
    """How many, and whether only if there is a GPU.

    Where nothing is set, several on a machine that seems to have one, if all models are ours and may run on it: they
    are small, and there one process's Python is what is slow. Each has two cores and memory then; whether the GPU has
    memory for them the first process finds out.
    """
    if settings.epoch.processes is not None:
        return settings.epoch.processes, False
    specs = [settings.spec(lane) for lane in settings.lanes()]
    small = all(isinstance(spec, ModelSettings) and spec.device.startswith(("auto", "cuda")) for spec in specs)
    if not small or not any(gpu.exists() for gpu in GPUS):
        return 1, False
    return max(1, min(MOST_ON_A_GPU, usable_cores() // 2, usable_memory_bytes() // MEMORY_EACH)), True


@contextmanager
def _alone(settings: Settings, *, calibrations: Calibrations) -> Iterator[Staff]:
    began_s = time.monotonic()
    models = load_models(settings)
    load_s = time.monotonic() - began_s
    budgets = measured_budgets(settings, models)
    served = served_models(models)
    from workers.models.device_memory import device_memory

    with open_enricher(settings, models, budgets, calibrations=calibrations) as enricher:
        speed = calibrated_speed([budgets.get(lane) for lane in models])
        yield Staff(enricher, served, speed, lambda: device_memory(model.device for model in served), load_s)


@contextmanager
def _crew(settings: Settings, *, calibrations: Calibrations, most: int, only_on_a_gpu: bool) -> Iterator[Staff]:
    """Work begins when the first is ready. Then the others start, which remember what it has measured, and join."""
    began_s = time.monotonic()
    begin = Begin(settings, worker_name(settings), most, only_on_a_gpu)
    with ExitStack() as stack:
        first = stack.enter_context(_process(begin))
        ready = first.ready()
        crew = Crew([first.mate()], calibrations=calibrations, silence_s=SILENCES * settings.batch.stuck_after_s)
        for _ in range(ready.processes - 1):
            process = stack.enter_context(_process(begin))
            Thread(target=_join, args=(process, crew), name="crew", daemon=True).start()
        stack.callback(crew.leave)
        yield Staff(crew, ready.served, ready.tokens_per_s, crew.memory, time.monotonic() - began_s)


def _join(process: _Process, crew: Crew) -> None:
    try:
        process.ready()
    except EnrichError as error:
        crew.give_up(error)
    else:
        crew.add(process.mate())


@dataclass(slots=True)
class _Process:
    connection: Connection
    popen: subprocess.Popen[bytes]
    works: bool = False

    def ready(self) -> Ready:
        """Blocks until its models are loaded."""
        try:
            answer: Ready | Refused = self.connection.recv()
        except (EOFError, OSError) as error:
            raise DeviceLost(f"an enriching process is gone before it was ready: {self.fate()}") from error
        if isinstance(answer, Refused):
            raise answer.error
        return answer

    def mate(self) -> Mate:
        """From now on what it says is heard by this."""
        self.works = True
        return Mate(self.connection, fate=self.fate, clock=time.monotonic)

    def end(self) -> None:
        """One that is still loading has nothing to put in order."""
        try:
            self.popen.wait(LEAVE_S if self.works else 0.0)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def fate(self) -> str:
        try:
            code = self.popen.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            return "it does not answer any more"
        return f"ended by signal {-code}" if code < 0 else f"exit code {code}"


@contextmanager
def _process(begin: Begin) -> Iterator[_Process]:
    """One that was told to begin. At the end nothing more is told to it; it is waited for, and killed if it stays."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            popen = subprocess.Popen(  # noqa: S603  our own interpreter and module
                [sys.executable, "-P", "-m", "workers.crew_process", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what it prints must not come among the records on standard output
                pass_fds=[theirs.fileno()],
            )
        with Connection(os.dup(ours.fileno())) as connection:
            process = _Process(connection, popen)
            try:
                with suppress(OSError):  # then it is not ready either, and says why
                    connection.send(begin)
                yield process
            finally:
                with suppress(OSError):  # it may be gone
                    ours.shutdown(socket.SHUT_WR)
                process.end()
