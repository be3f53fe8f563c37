"""The price of exactly once: the same worker with transactions, and with plain idempotent producing.

    python -m benchmarks.exactly_once [DATA] [--documents 4000] [--model-documents 150] [--turns 5]

Both take turns on the same topic, each turn as a new group; see `benchmarks.plain_clients` for what the plain one does.
Twice: with a model that does nothing, where publishing is most of the work and the price is as high as it can be, and
with the packaged model. Documents a second from the first read to the last published, not counting the joining of the
group. The price is the share of the plain worker's documents a second that transactions cost, turn by turn.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from benchmarks.broker import Broker, again_in_a_new_group, running_broker, send_all
from benchmarks.clock import ClockModel
from benchmarks.documents import Sample, read_samples, without_books
from benchmarks.machine import describe_machine
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.plain_clients import plain_transport
from benchmarks.plots import bars
from benchmarks.report import Cell, Report, Spread, in_turns, publish
from benchmarks.runs import run_worker
from workers.compose import AnyModel, load_models
from workers.settings import DEFAULT_MODEL, KafkaSettings, Settings
from workers.transport.kafka import KafkaTransport

NAME = "exactly_once"
KINDS: Mapping[str, Callable[[KafkaSettings], KafkaTransport]] = {
    "transactions": KafkaTransport,
    "plain": plain_transport,
}


def rate_of(
    settings: Settings,
    models: Mapping[str, AnyModel],
    make: Callable[[KafkaSettings], KafkaTransport],
    topics: KafkaSettings,
    count: int,
) -> float:
    transport = make(again_in_a_new_group(topics))
    own = settings.model_copy(update={"kafka": topics})
    return run_worker(own, models, transport, documents=count).documents_per_s


def runs_of(
    name: str, settings: Settings, models: Mapping[str, AnyModel], broker: Broker, samples: Sequence[Sample]
) -> dict[str, Callable[[], float]]:
    """Both kinds, under the model's name."""
    topics = broker.topics()
    send_all(topics, samples)
    return {
        f"{name}, {kind}": partial(rate_of, settings, models, make, topics, len(samples))
        for kind, make in KINDS.items()
    }


def price(with_transactions: Sequence[float], plain: Sequence[float]) -> Spread:
    """Percent of the plain documents a second. Below zero the plain one happened to be slower."""
    return Spread.of(100 * (1 - own / other) for own, other in zip(with_transactions, plain, strict=True))


def rows_of(found: Mapping[str, Sequence[float]]) -> tuple[tuple[Cell, ...], ...]:
    rows: list[tuple[Cell, ...]] = []
    for name, rates in found.items():
        model, _, kind = name.rpartition(", ")
        cost = price(rates, found[f"{model}, plain"]) if kind == "transactions" else None
        rows.append((name, Spread.of(rates), cost))
    return tuple(rows)


def main() -> None:
    parser = make_parser(__doc__, documents=4_000, turns=5)
    parser.add_argument("--model-documents", type=int, default=150, help="for the packaged model; 0 leaves it out")
    arguments: argparse.Namespace = parser.parse_args()
    settings = settings_of(arguments)
    samples = without_books(read_samples(arguments.data, arguments.documents))
    with ExitStack() as stack:
        broker = stack.enter_context(running_broker())
        runs = runs_of("a model that does nothing", settings, {DEFAULT_MODEL: ClockModel()}, broker, samples)
        if arguments.model_documents:
            few = samples[: arguments.model_documents]
            runs |= runs_of("the packaged model", settings, load_models(settings), broker, few)
        for run in runs.values():
            run()  # warms up
        found = in_turns(runs, arguments.turns)
    report = Report(
        benchmark=NAME,
        question="The price of exactly once",
        command=command_of(NAME, parser, arguments),
        machine=describe_machine(broker=broker.kind),
        turns=arguments.turns,
        columns=("worker", "documents/s", "price of transactions, %"),
        rows=rows_of(found),
        notes=(f"Epochs of up to {settings.epoch.max_records} documents, a transaction each.",),
    )
    publish(report, arguments.out, bars("documents/s"))


if __name__ == "__main__":
    main()
