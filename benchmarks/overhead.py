"""What our own code costs beside the Kafka client: CPU milliseconds per 300-word document, Kafka to Kafka.

    python -m benchmarks.overhead [DATA] [--documents 3000] [--turns 5] [--words 300]

The model does nothing (see `benchmarks.clock`; cutting and preparing texts is not the model's). Three take turns: the
worker; a loop of the Kafka client alone that answers the same records of the same topic with answers of the same bytes,
in transactions of as many documents; and the tokenizer alone on the same texts, most of which is compiled code. The
difference between the first two is ours, with and without the third: validation, language, sentences, tokens, windows,
batching, assembly, serialisation, threads. Processor time of all threads of the process, so that waiting for the broker
does not count; wall-clock time stands beside it. Then a profile of the pipeline on one thread says where it goes.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bare_client import Cost, run_bare
from benchmarks.broker import again_in_a_new_group, running_broker, send_all
from benchmarks.clock import ClockModel
from benchmarks.documents import Sample, cut_to_words, read_samples
from benchmarks.machine import describe_machine
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.plots import bars
from benchmarks.report import Cell, Report, Spread, in_turns, publish
from benchmarks.runs import run_worker
from workers.compose import open_worker
from workers.memory import spare_the_collector
from workers.settings import DEFAULT_MODEL, KafkaSettings, Settings
from workers.telemetry.steps import StepTimes
from workers.transport.base import IncomingRecord, OutgoingRecord, Partition
from workers.transport.kafka import KafkaTransport
from workers.transport.kafka_admin import read_all
from workers.transport.memory import MemoryLog, MemoryTransport

NAME = "overhead"
WORKER, CLIENT, TOKENIZER = "worker", "Kafka client alone", "tokenizer alone"
OURS, OURS_WITHOUT = "our own code", "our own code but the tokenizer"
LOCK = "<method 'acquire' of '_thread.lock' objects>"
TOP = 20  # functions of the profile that are shown


@dataclass(frozen=True, slots=True)
class Spent:
    """One function of the profile, per document."""

    function: str
    own_ms: float
    with_callees_ms: float
    calls: float


def cost_of_worker(settings: Settings, model: ClockModel, topics: KafkaSettings, count: int) -> Cost:
    transport = KafkaTransport(again_in_a_new_group(topics))
    own = settings.model_copy(update={"kafka": topics})
    run = run_worker(own, {DEFAULT_MODEL: model}, transport, documents=count)
    return Cost(1_000 * run.cpu_s / count, 1_000 * run.seconds / count)


def cost_of_tokenizer(model: ClockModel, samples: Sequence[Sample], *, size: int) -> Cost:
    """Texts into subwords, as many in a call as an epoch has."""
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    for start in range(0, len(samples), size):
        model.tokenize([sample.text for sample in samples[start : start + size]])
    cpu_s, wall_s = time.process_time() - started_cpu_s, time.perf_counter() - started_s
    return Cost(1_000 * cpu_s / len(samples), 1_000 * wall_s / len(samples))


def answers_in(topics: KafkaSettings) -> list[OutgoingRecord]:
    """What the worker has published, to be published again."""
    return [
        OutgoingRecord(topics.enriched_topic, r.key, r.value, r.headers)
        for r in read_all(topics, [topics.enriched_topic])
    ]


def profile_pipeline(settings: Settings, model: ClockModel, samples: Sequence[Sample]) -> list[Spent]:
    """From records to output records, epoch by epoch on this thread; the most expensive function first."""
    records = [IncomingRecord(Partition("bench", 0), n, None, b"%d" % n, s.value) for n, s in enumerate(samples)]
    size = settings.epoch.max_records
    epochs = [records[start : start + size] for start in range(0, len(records), size)]
    profile = cProfile.Profile()
    with open_worker(settings, {DEFAULT_MODEL: model}, MemoryTransport(MemoryLog())) as worker:
        worker.enricher.enrich(epochs[0], StepTimes())  # warms up
        profile.enable()
        for epoch in epochs:
            worker.enricher.enrich(epoch, StepTimes())
        profile.disable()
    return spent_by_function(profile, len(samples))


def spent_by_function(profile: cProfile.Profile, documents: int) -> list[Spent]:
    table: Mapping[tuple[str, int, str], tuple[int, int, float, float, object]] = vars(pstats.Stats(profile))["stats"]
    rows = [
        Spent(f"{module_of(file)}{name}", 1_000 * own / documents, 1_000 * whole / documents, calls / documents)
        for (file, _, name), (_, calls, own, whole, _) in table.items()
    ]
    return sorted(rows, key=lambda row: -row.own_ms)


def module_of(file: str) -> str:
    """`workers.text.windows:` for a file; nothing for what is built in. No path of this machine."""
    if not file.endswith(".py"):
        return ""
    parts = Path(file).with_suffix("").parts
    known = [at for at, part in enumerate(parts) if part in ("workers", "schemas", "benchmarks", "site-packages")]
    kept = parts[known[-1] :] if known else parts[-1:]
    return ".".join(part for part in kept if part != "site-packages") + ":"


def compiled_ms(rows: Sequence[Spent]) -> tuple[float, float]:
    """Per document: in functions that are not Python's, and in all. Who waits for a lock does nothing."""
    busy = [row for row in rows if row.function != LOCK]
    return sum(row.own_ms for row in busy if row.function.startswith("<")), sum(row.own_ms for row in busy)


def shown_profile(rows: Sequence[Spent], *, top: int = TOP) -> str:
    """As a Markdown table."""
    lines = ["| function | own ms | with callees ms | calls per document |", "| --- | --- | --- | --- |"]
    lines += [f"| `{r.function}` | {r.own_ms:.4f} | {r.with_callees_ms:.4f} | {r.calls:.1f} |" for r in rows[:top]]
    return "\n".join(lines)


def rows_of(found: Mapping[str, Sequence[Cost]]) -> tuple[tuple[Cell, ...], ...]:
    """What was measured, and the differences turn by turn."""
    turns = list(zip(found[WORKER], found[CLIENT], found[TOKENIZER], strict=True))
    measured = [
        (name, Spread.of(cost.cpu_ms for cost in costs), Spread.of(cost.wall_ms for cost in costs))
        for name, costs in found.items()
    ]
    ours = Spread.of(worker.cpu_ms - client.cpu_ms for worker, client, _ in turns)
    without = Spread.of(worker.cpu_ms - client.cpu_ms - tokenizer.cpu_ms for worker, client, tokenizer in turns)
    return (*measured, (OURS, ours, None), (OURS_WITHOUT, without, None))


def main() -> None:
    parser = make_parser(__doc__, documents=3_000, turns=5)
    parser.add_argument("--words", type=int, default=300, help="of a document (%(default)s)")
    arguments: argparse.Namespace = parser.parse_args()
    settings = settings_of(arguments)
    count = arguments.documents
    samples = cut_to_words(read_samples(arguments.data, 300), [arguments.words] * count)
    model = ClockModel()
    spare_the_collector()  # as where a model is loaded
    with running_broker() as broker:
        topics = broker.topics()
        send_all(topics, samples)
        cost_of_worker(settings, model, topics, count)  # warms up, and leaves the answers
        answers = answers_in(topics)
        size = settings.epoch.max_records
        runs: dict[str, Callable[[], Cost]] = {
            WORKER: lambda: cost_of_worker(settings, model, topics, count),
            CLIENT: lambda: run_bare(again_in_a_new_group(topics), answers, documents=count, max_records=size),
            TOKENIZER: lambda: cost_of_tokenizer(model, samples, size=size),
        }
        found = in_turns(runs, arguments.turns)
    profile = profile_pipeline(settings, model, samples)
    compiled, whole = compiled_ms(profile)
    answer_bytes = sum(len(answer.value or b"") for answer in answers) // len(answers)
    report = Report(
        benchmark=NAME,
        question=f"What a document of {arguments.words} words costs beside its model",
        command=command_of(NAME, parser, arguments),
        machine=describe_machine(broker=broker.kind),
        turns=arguments.turns,
        columns=("measured", "CPU ms per document", "wall ms per document"),
        rows=rows_of(found),
        notes=(
            f"Answers of {answer_bytes:,} bytes on average.",
            f"The profile, milliseconds per document; of {whole:.2f} in all {compiled:.2f} are compiled (patterns, "
            "tokens, checks, JSON, arrays). A profiler slows small functions more than large ones.",
            shown_profile(profile),
        ),
    )
    publish(report, arguments.out, bars("CPU ms per document"))


if __name__ == "__main__":
    main()
