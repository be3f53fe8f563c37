"""Does the insights application keep up, is its memory bounded, and are its totals right?

    python -m benchmarks.insights [--documents 50000]

Records as a worker would publish them, one in twenty a dead letter, lie on topics of four partitions. One `enrich
insights` process, held to one core where the system allows, counts them. Records a second are those between the first
answer with a count and the one with all of them; the same per second of the process's own CPU time is the figure that a
busy machine changes least. The exit code is 1 if a total or a label differs from a plain count.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.broker import running_broker
from benchmarks.machine import describe_machine, resident_mib
from benchmarks.options import command_of, make_parser
from benchmarks.plots import lines
from benchmarks.report import Report, publish
from tests.fakes.enriched_records import stream
from tests.fakes.insights_process import RunningInsights, insights_python, running_insights
from workers.settings import KafkaSettings
from workers.transport.base import OutgoingRecord

NAME = "insights"
POLL_S = 0.5
TIMEOUT_S = 900.0
SEND = 5_000  # records in one go


@dataclass(frozen=True, slots=True)
class Reading:
    """What the application has counted, and what it took."""

    records: int
    at_s: float
    cpu_s: float
    mib: float


def cpu_s(process: int) -> float:
    """CPU seconds of a process so far, its own and the kernel's for it."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def follow(insights: RunningInsights, count: int) -> list[Reading]:
    """Readings until all are counted."""
    number, readings, started_s = insights.process.pid, list[Reading](), time.perf_counter()
    while not readings or readings[-1].records < count:
        total = insights.get("api/overview?window=total")["total"].get("records", 0)
        readings.append(Reading(total, time.perf_counter() - started_s, cpu_s(number), resident_mib(number)))
        if readings[-1].at_s > TIMEOUT_S:
            raise RuntimeError(f"{total} of {count} were counted within {TIMEOUT_S:.0f} s")
        time.sleep(POLL_S)
    return readings


def plain_count(records: Sequence[OutgoingRecord], dead_topic: str) -> tuple[Counter[str], Counter[str]]:
    outcomes = Counter("dead" if record.topic == dead_topic else "enriched" for record in records)
    values = (orjson.loads(record.value or b"") for record in records if record.topic != dead_topic)
    return outcomes, Counter(value["classification"]["labels"][0]["name"] for value in values)


def send(kafka: KafkaSettings, records: Sequence[OutgoingRecord]) -> None:
    from workers.transport.kafka_admin import produce

    for start in range(0, len(records), SEND):
        produce(kafka, records[start : start + SEND])


def main() -> None:
    parser = make_parser(__doc__, documents=50_000, turns=None)
    arguments: argparse.Namespace = parser.parse_args()
    if insights_python() is None:
        raise SystemExit("no environment with Faust: make .venv-insights/.installed, or name one: INSIGHTS_PYTHON=...")
    with running_broker() as broker, tempfile.TemporaryDirectory() as folder:
        kafka = broker.topics(partitions=4)
        now_ms = time.time_ns() // 1_000_000
        records = list(
            stream(
                arguments.documents,
                enriched_topic=kafka.enriched_topic,
                dead_topic=kafka.dead_topic,
                sent_ms=now_ms,
            )
        )
        send(kafka, records)
        with running_insights(kafka, Path(folder) / "insights.log") as insights:
            if hasattr(os, "sched_setaffinity"):
                for thread in Path(f"/proc/{insights.process.pid}/task").iterdir():
                    os.sched_setaffinity(int(thread.name), {0})
            readings = follow(insights, len(records))
            found = insights.get("api/overview?window=total")
    outcomes, labels = plain_count(records, kafka.dead_topic)
    right = all(found["total"][name] == number for name, number in outcomes.items())
    right = right and dict(found["mixes"]["labels"]) == labels and found["total"]["records"] == len(records)
    first = next(reading for reading in readings if reading.records)
    last = readings[-1]
    counted = last.records - first.records
    rows: tuple[tuple[str, float], ...] = (
        ("records/s, on one core", counted / max(1e-9, last.at_s - first.at_s)),
        ("records per second of its CPU", counted / max(1e-9, last.cpu_s - first.cpu_s)),
        ("MiB at the first count", first.mib),
        ("MiB at the end", last.mib),
    )
    size = sum(len(record.value or b"") for record in records) // len(records)
    report = Report(
        benchmark=NAME,
        question="What the insights application counts in a second, and what it takes",
        command=command_of(NAME, parser, arguments),
        machine=describe_machine(broker=broker.kind),
        turns=1,
        columns=("what", "figure"),
        rows=rows,
        notes=(
            f"{len(records):,} records of {size:,} bytes on average. Totals and labels "
            f"{'equal' if right else 'DIFFER FROM'} a plain count.",
        ),
    )
    points = [(reading.records, reading.mib) for reading in readings]
    publish(report, arguments.out, lines({"memory": points}, across="records counted", up="MiB"))
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
