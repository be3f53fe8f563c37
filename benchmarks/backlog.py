"""Does the backlog metric tell how long the worker will need?

    python -m benchmarks.backlog [DATA] [--documents 1500] [--turns 3]

Each turn writes all documents to a new topic, then starts one `enrich worker` process and reads its `/metrics` once a
second. Whenever a share of the documents is done, `enrich_backlog_seconds` is held against the seconds until a
`read_committed` reader had the last answer. The first row is the first value that the worker calls measured
(`enrich_capacity_measured`), a few seconds after its first commit. Books are left out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.broker import Broker, running_broker, send_all
from benchmarks.documents import Sample, read_samples, without_books
from benchmarks.machine import describe_machine
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.plots import lines
from benchmarks.processes import worker_processes
from benchmarks.report import Report, Spread, publish
from benchmarks.scrape import Scrape, scrape
from workers.errors import DependencyError
from workers.settings import Settings
from workers.telemetry import names
from workers.transport.kafka_reader import committed_reader
from workers.transport.local import free_port

NAME = "backlog"
SHARES = (0.25, 0.5, 0.75)  # of the documents done, at which the metric is read again
SCRAPE_S = 1.0
SILENCE_S = 900.0  # without an answer: on a busy machine three epochs of long documents take minutes
FIRST = "first measured"


@dataclass(slots=True)
class Drain:
    """One turn: what was scraped when, and when the last answer was there. Seconds of one monotonic clock."""

    documents: int
    scrapes: list[tuple[float, Scrape]] = field(default_factory=list)
    ended_s: float = 0.0

    def errors(self) -> dict[str, tuple[float, float]]:
        """Predicted and real seconds left, by moment."""
        found: dict[str, tuple[float, float]] = {}
        for now_s, seen in self.scrapes:
            if not seen.value(names.CAPACITY_MEASURED):
                continue
            done = seen.total(names.DOCUMENTS) / self.documents
            for moment in [FIRST, *(f"{share:.0%} done" for share in SHARES if done >= share)]:
                found.setdefault(moment, (seen.value(names.BACKLOG_SECONDS), self.ended_s - now_s))
        return found

    @property
    def assumed(self) -> float | None:
        """Seconds that the metric said before it was measured, as soon as it knew the whole lag."""
        return next(
            (
                seen.value(names.BACKLOG_SECONDS)
                for _, seen in self.scrapes
                if seen.total(names.LAG) and not seen.value(names.CAPACITY_MEASURED)
            ),
            None,
        )


def drain(settings: Settings, broker: Broker, samples: Sequence[Sample]) -> Drain:
    """Fill a topic, start a worker, and watch it until the last answer."""
    kafka = broker.topics()
    send_all(kafka, samples)
    telemetry = settings.telemetry.model_copy(update={"port": free_port()})
    own = settings.model_copy(update={"kafka": kafka, "telemetry": telemetry})
    turn = Drain(len(samples))
    with ExitStack() as stack:
        poll = stack.enter_context(committed_reader(kafka, (kafka.enriched_topic, kafka.dead_topic)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers = stack.enter_context(worker_processes(own, folder))
        left, last_s = len(samples), time.monotonic()
        while left > 0:
            workers.require_alive()
            if records := poll(SCRAPE_S):
                left, last_s = left - len(records), time.monotonic()
            elif time.monotonic() - last_s > SILENCE_S:
                raise DependencyError(f"{left} of {len(samples)} documents were not answered")
            if not turn.scrapes or time.monotonic() - turn.scrapes[-1][0] >= SCRAPE_S:
                asked_s = time.monotonic()
                if (seen := scrape(telemetry.host, telemetry.port)) is not None:
                    turn.scrapes.append((asked_s, seen))
        turn.ended_s = last_s
    return turn


def rows_of(turns: Sequence[Drain]) -> list[tuple[str, Spread, Spread, Spread]]:
    found = [turn.errors() for turn in turns]
    moments = [moment for moment in found[0] if all(moment in each for each in found)]
    if not moments:
        raise SystemExit("the worker was done before it had measured its speed: ask for more --documents")
    return [
        (
            moment,
            Spread.of(each[moment][0] for each in found),
            Spread.of(each[moment][1] for each in found),
            Spread.of(100 * (each[moment][0] / each[moment][1] - 1) for each in found),
        )
        for moment in moments
    ]


def main() -> None:
    parser = make_parser(__doc__, documents=1500, turns=3)
    arguments: argparse.Namespace = parser.parse_args()
    settings = settings_of(arguments)
    count = arguments.documents
    samples = without_books(read_samples(arguments.data, 2 * count))[:count]
    with running_broker() as broker:
        turns = [drain(settings, broker, samples) for _ in range(arguments.turns)]
    rows = rows_of(turns)
    assumed = [turn.assumed for turn in turns if turn.assumed is not None]
    last = turns[-1].scrapes[-1][1]
    report = Report(
        benchmark=NAME,
        question="enrich_backlog_seconds against the seconds that were needed",
        command=command_of(NAME, parser, arguments),
        machine=describe_machine(broker=broker.kind),
        turns=len(turns),
        columns=("moment", "said, s", "needed, s", "error, %"),
        rows=tuple(rows),
        notes=(
            f"{len(samples):,} documents, {sum(s.words for s in samples) // len(samples)} words on average; "
            f"{last.value(names.TOKENS_PER_DOCUMENT):.0f} tokens each, {last.value(names.CAPACITY):,.0f} tokens/s."
            + (f" Before it was measured the metric said {Spread.of(assumed).median:.0f} s." if assumed else ""),
        ),
    )
    series = {
        name: [(float(at), spread.median) for at, row in enumerate(rows) if isinstance(spread := row[column], Spread)]
        for column, name in ((1, "said"), (2, "needed"))
    }
    publish(report, arguments.out, lines(series, across="moment, in the order of the table", up="seconds left"))


if __name__ == "__main__":
    main()
