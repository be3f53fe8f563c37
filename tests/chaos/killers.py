"""One document among 1,000 takes the process down: `python -m tests.chaos.killers`. Deaths, losses, dead letters."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.hazards import LETHAL
from tests.chaos.restarts import Orchestrator, coming_out, document, orchestrated
from tests.chaos.settings import chaos_settings
from tests.chaos.verdict import judge
from tests.services import find_kafka
from workers.transport.kafka_admin import create_topics, produce, read_all


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--killer", type=int, default=500, help="which document it is")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--client", choices=["kafka-python", "confluent"], default="kafka-python")
    parser.add_argument("--static", action="store_true", help="static membership")
    plan = parser.parse_args()
    source = find_kafka()
    if source is None:
        print("no broker was found, see tests/services.py", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="killers-"))
        print(f"broker: {source.name}\nlogs: {folder}")
        kafka = chaos_settings(source.start(stack, folder / "kafka"), uuid.uuid4().hex[:8], client=plan.client)
        topics = (kafka.enriched_topic, kafka.dead_topic)
        create_topics(kafka, (kafka.input_topic, *topics), partitions=6)
        texts = (f"{LETHAL if n == plan.killer else 'Note'} number {n}." for n in range(plan.documents))
        produce(kafka, (document(kafka.input_topic, n, text) for n, text in enumerate(texts)))
        orchestrator = Orchestrator(kafka, folder, workers=plan.workers, static=plan.static)
        started_s = time.monotonic()
        with orchestrated(orchestrator), coming_out(kafka) as receive:
            receive(plan.documents, orchestrator.tend, patience_s=600.0)
            seconds = time.monotonic() - started_s
        verdict = judge(read_all(kafka, (kafka.input_topic,)), read_all(kafka, topics), dead_topic=kafka.dead_topic)
    deaths = len(orchestrator.exit_codes)
    print(
        f"{plan.documents} documents, {plan.workers} workers, {'static' if plan.static else 'dynamic'} membership, "
        f"{plan.client}: {deaths} deaths, {verdict.lost} lost, {verdict.duplicated} duplicated, "
        f"{verdict.dead} dead-lettered, {seconds:.0f} s"
    )
    exact = verdict.sent == plan.documents and verdict.lost == verdict.duplicated == verdict.changed == 0
    return 0 if exact and verdict.dead == 1 and deaths <= 3 else 1


if __name__ == "__main__":
    sys.exit(main())
