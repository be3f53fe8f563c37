"""How fast `enrich run` is on a file, and how much of the time and area goes to real tokens.

    python benchmarks/throughput.py FILE [--runs 3]

FILE holds JSON lines. Prints the median of the runs; the model is loaded once and not counted. Nothing is cached.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from workers.compose import AnyModel, load_models, open_worker
from workers.settings import DEFAULT_MODEL, Settings
from workers.transport.files import FileTransport


@dataclass(frozen=True, slots=True)
class Run:
    documents_per_s: float
    tokens_per_s: float
    padding_waste: float  # share of the padded area that holds no token
    device_share: float  # share of the time that the device was in a forward pass


def run_once(models: dict[str, AnyModel], settings: Settings, source: str, target: Path) -> Run:
    kafka = settings.kafka
    transport = FileTransport(source, str(target), enriched_topic=kafka.enriched_topic, dead_topic=kafka.dead_topic)
    with open_worker(settings, models, transport) as worker:
        started_s = time.perf_counter()
        done = worker.run()
        spent_s = time.perf_counter() - started_s
        stats = worker.pipeline.answers[DEFAULT_MODEL].batcher.stats()
    return Run(
        done.documents / spent_s,
        stats.useful_tokens / spent_s,
        1 - stats.useful_tokens / stats.padded_tokens,
        stats.forward_s / spent_s,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    settings = Settings()
    models = load_models(settings)
    info = models[DEFAULT_MODEL].info
    with tempfile.TemporaryDirectory() as folder:
        runs = [run_once(models, settings, arguments.file, Path(folder) / "out") for _ in range(arguments.runs)]
    print(f"{info.name}, {info.precision}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for name in Run.__slots__:
        values = [getattr(run, name) for run in runs]
        print(f"{name:16} median {statistics.median(values):10.3f}   {min(values):10.3f} to {max(values):10.3f}")


if __name__ == "__main__":
    main()
