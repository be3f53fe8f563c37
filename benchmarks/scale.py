"""Do more workers do more, and does a document cost the same however many there are?

    python -m benchmarks.scale [DATA] [--documents 300] [--turns 3] [--workers 1 2 4 8] [--tokens-per-s 4000]

First, worker processes of one group on a topic with 16 partitions. Their model is a clock: a pass takes `--pass-ms` and
the time of its padded tokens at `--tokens-per-s`, in which the process sleeps, as while a GPU of its own works. It is
slow on purpose, so that the workers, the broker, the producer and the reader find room on a few cores: what shows is
whether workers get in each other's way, not how fast a GPU is. Documents a second from before the first is sent until
the last is visible to a committed reader, `--documents` for each worker, all of them up and serving before.

Second, in one process, without any model time: CPU milliseconds per document as documents, labels and the length of
documents grow, see `benchmarks.growth`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import orjson

from benchmarks.broker import Broker, running_broker
from benchmarks.documents import Sample, cut_to_words, read_samples
from benchmarks.feed import Feed
from benchmarks.growth import FACTORS, WORDS, Growth, measure_growth
from benchmarks.machine import describe_machine
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.plots import Points, lines
from benchmarks.processes import worker_processes
from benchmarks.report import Cell, Report, Spread, in_turns, publish, ratios
from workers.settings import Settings
from workers.transport.base import IncomingRecord
from workers.transport.kafka_reader import committed_reader

NAME = "scale"
PARTITIONS = 16
CALLS = 60  # rounds of a few documents until every worker has served one


def rate_of_workers(
    settings: Settings,
    broker: Broker,
    samples: Sequence[Sample],
    *,
    workers: int,
    clock: tuple[float, float],
    folder: Path,
) -> float:
    """Documents a second of `workers` processes together; equal samples would be answered once."""
    kafka = broker.topics(partitions=PARTITIONS)
    own = settings.model_copy(update={"kafka": kafka})
    module = ("benchmarks.clock_worker", *map(str, clock))
    with (
        worker_processes(own, folder, count=workers, module=module) as processes,
        committed_reader(kafka, (kafka.enriched_topic, kafka.dead_topic)) as poll,
    ):
        feed = Feed(kafka, poll, processes)
        call_all(feed, samples, workers)
        return len(samples) / feed.answer_all(samples)


def call_all(feed: Feed, samples: Sequence[Sample], workers: int) -> None:
    """Returns when each of so many workers has served a document. Raises RuntimeError if one never does."""
    names: set[str] = set()

    def note(records: Sequence[IncomingRecord]) -> None:
        names.update(orjson.loads(dict(r.headers)["enrich-run"] or b"{}")["worker"] for r in records)

    for _ in range(CALLS):
        feed.answer_all(list(samples[:1]) * PARTITIONS, on_answers=note)
        if len(names) >= workers:
            return
    raise RuntimeError(f"only {len(names)} of {workers} workers serve")


def rows_of(rates: Mapping[int, Sequence[float]], growths: Sequence[Growth]) -> list[tuple[Cell, ...]]:
    """Of workers against the fewest, and of growth against the smallest."""
    fewest = min(rates)
    alone = [rate / fewest for rate in rates[fewest]]
    rows: list[tuple[Cell, ...]] = []
    for workers, found in rates.items():
        each = [rate / workers for rate in found]
        rows.append((f"workers: {workers}", Spread.of(found), Spread.of(each), None, ratios(each, alone)))
    for growth in growths:
        first = growth.cost_ms[0].median
        for size, cost in zip(growth.sizes, growth.cost_ms, strict=True):
            name = f"{growth.grown}: {getattr(size, growth.grown):,}"
            rows.append((name, None, None, cost, cost.median / first))
    return rows


def series_of(rates: Mapping[int, Sequence[float]], growths: Sequence[Growth]) -> dict[str, Points]:
    """Everything as a share of its smallest; level is good, and for the length of documents it is per word."""
    alone = Spread.of(rates[min(rates)]).median / min(rates)
    series: dict[str, Points] = {
        "documents/s per worker, by workers": [(w, Spread.of(r).median / w / alone) for w, r in rates.items()]
    }
    for growth in growths:
        per = [cost.median / (size.words / WORDS) for size, cost in zip(growth.sizes, growth.cost_ms, strict=True)]
        name = "CPU per word, by length" if growth.grown == "words" else f"CPU per document, by {growth.grown}"
        series[name] = [(factor, own / per[0]) for factor, own in zip(FACTORS, per, strict=True)]
    return series


def main() -> None:
    parser = make_parser(__doc__, documents=300, turns=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--words", type=int, default=100, help="of a document for the workers (%(default)s)")
    parser.add_argument("--tokens-per-s", type=float, default=4_000.0, help="padded, of the clock (%(default)s)")
    parser.add_argument("--pass-ms", type=float, default=4.0, help="of every pass of the clock (%(default)s)")
    arguments: argparse.Namespace = parser.parse_args()
    settings = settings_of(arguments)
    pool = read_samples(arguments.data, 300)
    samples = cut_to_words(pool, [arguments.words] * arguments.documents * max(arguments.workers))
    clock = (arguments.tokens_per_s, arguments.pass_ms)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(running_broker())
        runs: dict[str, Callable[[], float]] = {
            str(n): partial(
                rate_of_workers,
                settings,
                broker,
                samples[: n * arguments.documents],
                workers=n,
                clock=clock,
                folder=folder / str(n),
            )
            for n in arguments.workers
        }
        rates = {int(name): found for name, found in in_turns(runs, arguments.turns).items()}
        growths = measure_growth(settings, pool, folder, documents=arguments.documents, turns=arguments.turns)
    report = Report(
        benchmark=NAME,
        question="More workers, more documents, more labels, longer documents: level is good",
        command=command_of(NAME, parser, arguments),
        machine=describe_machine(broker=broker.kind),
        turns=arguments.turns,
        columns=("measured", "documents/s", "per worker", "CPU ms per document", "against the first"),
        rows=tuple(rows_of(rates, growths)),
    )
    draw = lines(series_of(rates, growths), across="how many times as much", up="against the smallest", log="x")
    publish(report, arguments.out, draw)


if __name__ == "__main__":
    main()
