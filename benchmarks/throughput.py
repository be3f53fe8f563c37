"""How much of the ceiling is left in the product: `enrich run` on a file, and the Kafka worker with its broker.

    python -m benchmarks.throughput [DATA] [--documents 500] [--turns 3] [--without-kafka]

Three take turns on the same documents, in one process and with the model loaded before: the forward passes alone (the
ceiling, see `benchmarks.limit`), the worker on a file, and the worker on a broker that runs on the same cores. Nothing
is cached. The clock runs from the first documents read until the last is published; joining the group is not counted.
Documents whose language the model does not read come out too, and cost it nothing: the shares compare useful tokens.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.broker import Broker, again_in_a_new_group, running_broker, send_all
from benchmarks.ceiling import best_budget, seconds_of, sorted_batches, windows_of
from benchmarks.documents import Sample, read_samples, write_samples
from benchmarks.machine import describe_machine
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.plots import bars
from benchmarks.report import Report, Spread, in_turns, publish, ratios
from benchmarks.runs import Run, run_file, run_worker
from workers.batching.calibration import Budgets
from workers.budgets import measured_budgets
from workers.compose import AnyModel, load_models
from workers.settings import DEFAULT_MODEL, Settings

NAME = "throughput"
COLUMNS = ("measured", "documents/s", "useful tokens/s", "share of the ceiling", "padding waste", "device share")


def ceiling_run(settings: Settings, models: Mapping[str, AnyModel], samples: Sequence[Sample]) -> Callable[[], Run]:
    """The forward passes alone, told as a run in which the device was never idle."""
    model = models[DEFAULT_MODEL]
    windows = windows_of(settings, models, samples)
    batches = sorted_batches(model, windows, budget=best_budget(model, windows))

    def run() -> Run:
        seconds = seconds_of(model, batches.batches)
        return Run(len(samples), seconds, 0.0, batches.useful_tokens, batches.padded_tokens, batches.windows, seconds)

    return run


def kafka_run(
    settings: Settings,
    models: Mapping[str, AnyModel],
    broker: Broker,
    samples: Sequence[Sample],
    budgets: Mapping[str, Budgets],
) -> Callable[[], Run]:
    """Each run is a new group on the same input topic."""
    from workers.transport.kafka import KafkaTransport

    topics = broker.topics()
    send_all(topics, samples)

    def run() -> Run:
        transport = KafkaTransport(again_in_a_new_group(topics))
        own = settings.model_copy(update={"kafka": topics})
        return run_worker(own, models, transport, documents=len(samples), budgets=budgets)

    return run


def rows_of(found: Mapping[str, Sequence[Run]]) -> tuple[tuple[str | Spread, ...], ...]:
    """The first kind of run is what the others are shares of."""
    ceiling = [run.tokens_per_s for run in next(iter(found.values()))]
    return tuple(
        (
            name,
            Spread.of(run.documents_per_s for run in runs),
            Spread.of(run.tokens_per_s for run in runs),
            ratios([run.tokens_per_s for run in runs], ceiling),
            Spread.of(run.padding_waste for run in runs),
            Spread.of(run.device_share for run in runs),
        )
        for name, runs in found.items()
    )


def main() -> None:
    parser = make_parser(__doc__, documents=500, turns=3)
    parser.add_argument("--without-kafka", action="store_true", help="the file alone")
    arguments: argparse.Namespace = parser.parse_args()
    settings = settings_of(arguments)
    samples = read_samples(arguments.data, arguments.documents)
    models = load_models(settings)
    budgets = measured_budgets(settings, models)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        source = write_samples(Path(folder) / "documents.jsonl", samples)
        runs: dict[str, Callable[[], Run]] = {
            "forward pass alone": ceiling_run(settings, models, samples),
            "enrich run": lambda: run_file(settings, models, source, documents=len(samples), budgets=budgets),
        }
        broker_kind = "none"
        if not arguments.without_kafka:
            broker = stack.enter_context(running_broker())
            broker_kind = broker.kind
            runs["enrich worker"] = kafka_run(settings, models, broker, samples, budgets)
        found = in_turns(runs, arguments.turns)
    report = Report(
        benchmark=NAME,
        question="Documents through the whole product, as a share of the model's own speed",
        command=command_of(NAME, parser, arguments),
        machine=describe_machine(precision=models[DEFAULT_MODEL].info.precision, broker=broker_kind),
        turns=arguments.turns,
        columns=COLUMNS,
        rows=rows_of(found),
        notes=(f"{len(samples):,} documents, {found['enrich run'][0].useful_tokens:,} useful tokens.",),
    )
    publish(report, arguments.out, bars("share of the ceiling"))


if __name__ == "__main__":
    main()
