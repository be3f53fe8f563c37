"""Does a worker's memory grow with the documents it has seen?

    python -m benchmarks.memory [DATA] [--documents 20000] [--step 500]

One `enrich worker` process reads documents of 10 to 60 words from a broker, all of them different, a step at a time;
after each step its resident memory is read (MiB, from /proc). Level means: after the first 2,000 documents, which warm
up, no sample is more than 5 % above the first. The last line says whether it is; the exit code is 1 if not.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.documents import Sample, cut_to_words, read_samples
from benchmarks.feed import Feed, worker_fed
from benchmarks.machine import describe_machine, resident_mib
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.plots import lines
from benchmarks.report import Report, publish

NAME = "memory"
WORDS = (10, 60)
WARM = 2_000  # documents
MOST_GROWTH = 0.05


@dataclass(frozen=True, slots=True)
class Reading:
    """Resident memory after so many documents."""

    documents: int
    mib: float


def read_along(
    feed: Feed, samples: Sequence[Sample], *, step: int, memory: Callable[[], float], say: Callable[[str], None] = print
) -> list[Reading]:
    """A reading after every `step` documents."""
    readings: list[Reading] = []
    for start in range(0, len(samples), step):
        portion = samples[start : start + step]
        feed.answer_all(portion)
        readings.append(Reading(start + len(portion), memory()))
        say(f"{readings[-1].documents:>7,} documents  {readings[-1].mib:8.1f} MiB")
    return readings


def growth_of(readings: Sequence[Reading], *, warm: int = WARM) -> float:
    """How far the highest reading after warming up is above the first one then, as a share of it."""
    later = [reading.mib for reading in readings if reading.documents >= warm]
    return max(later) / later[0] - 1


def main() -> None:
    parser = make_parser(__doc__, documents=20_000, turns=None)
    parser.add_argument("--step", type=int, default=500, help="documents between two readings (%(default)s)")
    arguments: argparse.Namespace = parser.parse_args()
    settings = settings_of(arguments)
    chance = random.Random(5)
    pool = [sample for sample in read_samples(arguments.data, 1_000) if sample.text.isascii()]
    samples = cut_to_words(pool, [chance.randint(*WORDS) for _ in range(arguments.documents)])
    with worker_fed(settings) as (feed, broker):
        process = feed.workers.running[0].pid
        readings = read_along(feed, samples, step=arguments.step, memory=lambda: resident_mib(process))
    warm = min(WARM, arguments.documents // 2)
    growth = growth_of(readings, warm=warm)
    report = Report(
        benchmark=NAME,
        question="Resident memory of a worker over its documents",
        command=command_of(NAME, parser, arguments),
        machine=describe_machine(broker=broker.kind),
        turns=1,
        columns=("documents", "MiB"),
        rows=tuple((reading.documents, reading.mib) for reading in readings),
        notes=(f"After {warm:,} documents the highest reading is {growth:+.1%} against the first.",),
    )
    points = [(float(reading.documents), reading.mib) for reading in readings]
    publish(report, arguments.out, lines({"resident": points}, across="documents", up="MiB"))
    level = growth <= MOST_GROWTH
    print(f"memory is {'level' if level else 'NOT level'}: {growth:+.1%}, at most {MOST_GROWTH:+.0%}")
    sys.exit(not level)


if __name__ == "__main__":
    main()
