"""How many workers one device serves: documents a second of 1, 2, 4 and 8 processes that use the same one.

    python -m benchmarks.sharing [DATA] [--documents 500] [--turns 3] [--workers 1 2 4 8]

Each process is a worker on a file with a model of its own; all have the same documents, start together, and count from
then until the last has published its last. Nothing is cached. On a GPU one worker's Python is slower than the device,
and workers beside it use what is left; on a CPU they share the cores, and more than one gains nothing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from benchmarks.documents import read_samples, write_samples
from benchmarks.machine import describe_machine
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.plots import bars
from benchmarks.report import Report, Spread, in_turns, publish, ratios
from benchmarks.runs import run_file
from workers.budgets import measured_budgets
from workers.compose import load_models
from workers.settings import DEFAULT_MODEL, Settings

NAME = "sharing"
WAIT_S = 600.0  # for a process to load its model, and for one to end


@dataclass(frozen=True, slots=True)
class Shift:
    """What one process did."""

    started_s: float  # since 1970, as all of them tell it
    ended_s: float
    documents: int
    useful_tokens: int


def work(settings: Settings, source: Path, documents: int, together: Barrier, done: Queue[Shift]) -> None:
    models = load_models(settings)
    budgets = measured_budgets(settings, models)
    own = Path(shutil.copyfile(source, source.with_name(f"{os.getpid()}.jsonl")))  # results are written beside it
    run_file(settings, models, own, documents=documents, budgets=budgets)  # warms up
    together.wait(WAIT_S)
    started_s = time.time()
    run = run_file(settings, models, own, documents=documents, budgets=budgets)
    done.put(Shift(started_s, time.time(), run.documents, run.useful_tokens))


def run_together(settings: Settings, source: Path, documents: int, *, workers: int) -> tuple[float, float]:
    """Documents and useful tokens a second of all of them. Raises queue.Empty if one does not come to its end."""
    context = multiprocessing.get_context("spawn")
    together, done = context.Barrier(workers), context.Queue()
    target = partial(work, settings, source, documents, together, done)
    processes = [context.Process(target=target, daemon=True) for _ in range(workers)]
    for process in processes:
        process.start()
    shifts: list[Shift] = [done.get(timeout=WAIT_S) for _ in processes]
    for process in processes:
        process.join(WAIT_S)
    seconds = max(shift.ended_s for shift in shifts) - min(shift.started_s for shift in shifts)
    return sum(s.documents for s in shifts) / seconds, sum(s.useful_tokens for s in shifts) / seconds


def main() -> None:
    parser = make_parser(__doc__, documents=500, turns=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8], help="how many at once (%(default)s)")
    arguments: argparse.Namespace = parser.parse_args()
    settings = settings_of(arguments)
    models = load_models(settings)
    measured_budgets(settings, models)  # remembered for those that come
    samples = read_samples(arguments.data, arguments.documents)
    with tempfile.TemporaryDirectory() as folder:
        source = write_samples(Path(folder) / "documents.jsonl", samples)
        runs: dict[str, Callable[[], tuple[float, float]]] = {
            str(count): partial(run_together, settings, source, len(samples), workers=count)
            for count in arguments.workers
        }
        found = in_turns(runs, arguments.turns)
    alone = [documents for documents, _ in found[str(arguments.workers[0])]]
    report = Report(
        benchmark=NAME,
        question="Workers that share one device",
        command=command_of(NAME, parser, arguments),
        machine=describe_machine(precision=models[DEFAULT_MODEL].info.precision),
        turns=arguments.turns,
        columns=("workers", "documents/s", "useful tokens/s", f"against {arguments.workers[0]}"),
        rows=tuple(
            (
                count,
                Spread.of(documents for documents, _ in runs_of),
                Spread.of(tokens for _, tokens in runs_of),
                ratios([documents for documents, _ in runs_of], alone),
            )
            for count, runs_of in found.items()
        ),
    )
    publish(report, arguments.out, bars("documents/s"))


if __name__ == "__main__":
    main()
