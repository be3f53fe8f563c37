"""How long a document takes from its producer to a reader, while documents arrive at a share of what the worker can do.

    python -m benchmarks.latency [DATA] [--documents 150] [--turns 3] [--loads 0.3 0.6 0.8]

One `enrich worker` process on a broker on the same cores. First its capacity: documents a second from a full topic, in
the median of the turns. Then, load by load and turn by turn, documents arrive in a seeded Poisson process that does not
wait for answers. Milliseconds from the record's timestamp, the moment it was due, until a `read_committed` reader has
the answer: waiting for an epoch, for the device, and for the transaction are all in it. Producer and reader run on the
same cores too. Percentiles are of all documents of a turn. Books are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from benchmarks.arrivals import Arrivals, latencies_of, percentile, poisson_times
from benchmarks.documents import Sample, read_samples, without_books
from benchmarks.feed import Feed, worker_fed
from benchmarks.machine import describe_machine
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.plots import lines
from benchmarks.report import Report, Spread, in_turns, publish

NAME = "latency"
SHARES = (0.5, 0.95, 0.99)


def latencies_at(feed: Feed, samples: Sequence[Sample], rate_per_s: float, *, seed: int) -> tuple[list[float], float]:
    """Seconds that each answer took, and by how many the producer was late at worst."""
    times = poisson_times(rate_per_s, len(samples), seed=seed)
    arrivals = Arrivals(feed.kafka, samples, times, first=feed.take_numbers(len(samples)))
    return latencies_of(arrivals, feed.poll), arrivals.latest_s


def loads_in_turns(
    feed: Feed, samples: Sequence[Sample], capacity: float, loads: Sequence[float], *, turns: int
) -> list[list[tuple[list[float], float]]]:
    """`latencies_at`, by load and turn. Each turn has arrivals of its own, the same ones every time this is run."""
    seeds = iter(range(len(loads) * turns))

    def run_at(load: float) -> Callable[[], tuple[list[float], float]]:
        return lambda: latencies_at(feed, samples, load * capacity, seed=next(seeds))

    found = in_turns({str(load): run_at(load) for load in loads}, turns)
    return [found[str(load)] for load in loads]


def rows_of(
    capacity: float, loads: Sequence[float], found: Sequence[Sequence[tuple[Sequence[float], float]]]
) -> tuple[tuple[str | float | Spread, ...], ...]:
    return tuple(
        (
            f"{load:.0%}",
            load * capacity,
            *(Spread.of(1_000 * percentile(seconds, share) for seconds, _ in turns) for share in SHARES),
        )
        for load, turns in zip(loads, found, strict=True)
    )


def main() -> None:
    parser = make_parser(__doc__, documents=150, turns=3)
    parser.add_argument("--loads", type=float, nargs="+", default=[0.3, 0.6, 0.8], help="shares of the capacity")
    arguments: argparse.Namespace = parser.parse_args()
    settings = settings_of(arguments)
    count = arguments.documents
    samples = without_books(read_samples(arguments.data, 2 * count))[:count]
    with worker_fed(settings) as (feed, broker):
        feed.answer_all(samples[:64])  # loads the model, joins the group, warms up
        capacity = Spread.of(len(samples) / feed.answer_all(samples) for _ in range(arguments.turns))
        found = loads_in_turns(feed, samples, capacity.median, arguments.loads, turns=arguments.turns)
    late_s = max(late for turns in found for _, late in turns)
    rows = rows_of(capacity.median, arguments.loads, found)
    report = Report(
        benchmark=NAME,
        question="From the producer to a committed reader, by load",
        command=command_of(NAME, parser, arguments),
        machine=describe_machine(broker=broker.kind),
        turns=arguments.turns,
        columns=("load", "documents/s", *(f"p{share * 100:g} ms" for share in SHARES)),
        rows=rows,
        notes=(
            f"Capacity {capacity.median:.3g} documents/s ({capacity.low:.3g} to {capacity.high:.3g}). {len(samples):,} "
            f"documents of {sum(s.words for s in samples) // len(samples)} words on average for each load and turn. "
            f"The producer was at most {1_000 * late_s:.0f} ms late.",
        ),
    )
    series = {
        f"p{share * 100:g}": [
            (100 * load, spread.median)
            for load, row in zip(arguments.loads, rows, strict=True)
            if isinstance(spread := row[2 + number], Spread)
        ]
        for number, share in enumerate(SHARES)
    }
    publish(report, arguments.out, lines(series, across="load, % of the capacity", up="ms"))


if __name__ == "__main__":
    main()
