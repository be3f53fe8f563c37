"""How many processes one worker needs to keep its device busy: documents a second of `enrich run` with 1, 2, 4 and 8.

    python -m benchmarks.crew [DATA] [--documents 4000] [--turns 3] [--processes 1 2 4 8]

Each crew is started, warmed up, and then measured: from the first documents read until the last is written. One crew
after the other and not in turns, as starting one takes longer than its documents. The
ceiling is the model's forward pass alone in one process. One process has one interpreter, which is slower than a GPU;
on a CPU the processes share the cores, and more than one gains nothing unless there are many.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ceiling import best_budget, seconds_of, sorted_batches, windows_of
from benchmarks.documents import Sample, read_samples, write_samples
from benchmarks.machine import describe_machine
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.plots import bars
from benchmarks.report import Report, Spread, publish, ratios
from benchmarks.runs import Run, file_transport, run_enricher
from workers.apart import apart
from workers.compose import load_models
from workers.crew import open_staff
from workers.enrich.enricher import Enricher
from workers.settings import DEFAULT_MODEL, Settings

NAME = "crew"
CEILING = "forward pass alone"
JOIN_S = 180.0


@apart
def ceiling_of(settings: Settings, samples: Sequence[Sample], turns: int) -> tuple[list[float], str]:
    """Documents a second of the passes alone, and the model's number format."""
    models = load_models(settings)
    model = models[DEFAULT_MODEL]
    windows = windows_of(settings, models, samples)
    batches = sorted_batches(model, windows, budget=best_budget(model, windows)).batches
    seconds_of(model, batches)  # warms up
    return [len(samples) / seconds_of(model, batches) for _ in range(turns)], model.info.precision


def run_with(settings: Settings, source: Path, documents: int, *, processes: int, turns: int) -> list[Run]:
    own = settings.model_copy(update={"epoch": settings.epoch.model_copy(update={"processes": processes})})
    with open_staff(own) as staff:
        wait_for(staff.enricher, processes)

        def run() -> Run:
            return run_enricher(own, staff.enricher, file_transport(own, source), documents=documents)

        run()  # warms up
        return [run() for _ in range(turns)]


def wait_for(enricher: Enricher, processes: int) -> None:
    """Until all have joined. Raises TimeoutError."""
    end_s = time.monotonic() + JOIN_S
    while enricher.processes < processes:
        if time.monotonic() > end_s:
            raise TimeoutError(f"{enricher.processes} of {processes} processes are ready after {JOIN_S:.0f} s")
        time.sleep(0.05)


def main() -> None:
    parser = make_parser(__doc__, documents=4_000, turns=3)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8], help="that enrich (%(default)s)")
    arguments: argparse.Namespace = parser.parse_args()
    settings = settings_of(arguments)
    samples = read_samples(arguments.data, arguments.documents)
    speeds: dict[str, list[float]] = {}
    speeds[CEILING], precision = ceiling_of(settings, samples, arguments.turns)
    with tempfile.TemporaryDirectory() as folder:
        source = write_samples(Path(folder) / "documents.jsonl", samples)
        for count in arguments.processes:
            runs = run_with(settings, source, len(samples), processes=count, turns=arguments.turns)
            speeds[f"enrich run, processes: {count}"] = [run.documents_per_s for run in runs]
    first = next(own for name, own in speeds.items() if name != CEILING)
    report = Report(
        benchmark=NAME,
        question="Processes that enrich for one worker",
        command=command_of(NAME, parser, arguments),
        machine=describe_machine(precision=precision),
        turns=arguments.turns,
        columns=("measured", "documents/s", "share of the ceiling", "against the fewest"),
        rows=tuple(
            (
                name,
                Spread.of(own),
                ratios(own, speeds[CEILING]),
                None if name == CEILING else ratios(own, first),
            )
            for name, own in speeds.items()
        ),
        notes=(f"{len(samples):,} documents.",),
    )
    publish(report, arguments.out, bars("documents/s"))


if __name__ == "__main__":
    main()
