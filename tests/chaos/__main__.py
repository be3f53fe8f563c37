"""The long chaos run: `python -m tests.chaos --documents 20000 --faults kill=3 freeze=3`.

With `--brokers N` it starts N brokers of Apache Kafka of its own (KAFKA_HOME), which may be killed, and a network
between them and each worker, which may be cut; without, it takes the broker that tests/services.py finds.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.cluster import Cluster
from tests.chaos.driver import Report, run
from tests.chaos.plan import ECHO_WORKER, Kind, Plan
from tests.chaos.recovery import table
from tests.chaos.settings import chaos_settings
from tests.services import find_kafka, kafka_home


def main() -> int:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what was started is ended
    arguments = read_arguments()
    plan = Plan(
        documents=arguments.documents,
        workers=arguments.workers,
        faults=dict(arguments.faults),
        command=arguments.command,
        static=arguments.static,
        brokers=arguments.brokers,
        epoch_records=arguments.epoch_records,
        processes=arguments.processes,
        epoch_ms=arguments.epoch_ms,
        pause_s=tuple(arguments.pause),
        seed=arguments.seed,
    )
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        print(f"logs: {folder}", flush=True)
        cluster: Cluster | None = None
        if arguments.brokers:
            if (home := kafka_home()) is None:
                print("--brokers needs KAFKA_HOME, see tests/services.py", file=sys.stderr)
                return 2
            cluster = Cluster.start(stack, folder / "kafka", home, brokers=plan.brokers, workers=plan.workers)
            name, servers = f"{plan.brokers} of Apache Kafka at {home}", cluster.bootstrap_servers
        elif (source := find_kafka()) is not None:
            name, servers = source.name, source.start(stack, folder / "kafka")
        else:
            print("no broker was found, see tests/services.py", file=sys.stderr)
            return 2
        print(f"brokers: {name}", flush=True)
        settings = chaos_settings(servers, uuid.uuid4().hex[:8], client=arguments.client)
        report = run(plan, settings, folder, cluster=cluster, say=lambda line: print(line, flush=True))
        (folder / "recoveries.txt").write_text("\n".join(map(str, report.recoveries)))
    return tell(plan, report, arguments.client)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--brokers", type=int, default=0, help="brokers of its own; 0 takes the one that is found")
    parser.add_argument(
        "--faults",
        nargs="+",
        type=number_of_a_kind,
        default=[(Kind.KILL, 3), (Kind.FREEZE, 3)],
        metavar="KIND=N",
        help=f"{', '.join(Kind)}; the last five need --brokers, member --processes",
    )
    parser.add_argument("--client", choices=["kafka-python", "confluent"], default="kafka-python")
    parser.add_argument("--static", action="store_true", help="static membership: a worker keeps its name over a kill")
    parser.add_argument("--seed", type=int, default=1, help="which worker meets which fault when")
    parser.add_argument(
        "--pause",
        nargs=2,
        type=float,
        default=[1.0, 4.0],
        metavar=("FROM", "TO"),
        help="seconds between faults; long ones for the time to recover from each, short ones for storms",
    )
    parser.add_argument("--epoch-records", type=int, default=32, help="records of a transaction at most")
    parser.add_argument(
        "--processes", type=int, default=1, help="that enrich for each worker, if the command has models"
    )
    parser.add_argument("--epoch-ms", type=int, default=20, help="how long the echo worker holds an epoch")
    parser.add_argument("--command", default=ECHO_WORKER, help="what a worker process is; settings by ENRICH_CONFIG")
    return parser.parse_args()


def number_of_a_kind(text: str) -> tuple[Kind, int]:
    kind, _, number = text.partition("=")
    return Kind(kind), int(number)


def tell(plan: Plan, report: Report, client: str) -> int:
    """Prints the table; 0 if everything asked for happened and the output is exact."""
    verdict = report.verdict
    print(f"\n{table(plan.faults, report.recoveries)}\n")
    if report.exits:
        print(f"ended by themselves and started again (worker, exit code): {report.exits}")
    print(
        f"{verdict.sent} documents, {len(report.recoveries)} faults of {len(plan.schedule())}, {plan.workers} workers, "
        f"{'static' if plan.static else 'dynamic'} membership, {client}: {verdict.lost} lost, {verdict.duplicated} "
        f"duplicated, {verdict.out_of_order} out of order, {verdict.changed} changed, {verdict.dead} dead-lettered, "
        f"{report.hung} hung, {report.seconds:.0f} s"
    )
    print(f"the machine itself kept the driver waiting for up to {report.held_up_s:.1f} s")
    whole = verdict.sent == plan.documents and len(report.recoveries) == len(plan.schedule()) and not report.hung
    return 0 if verdict.exact and whole else 1


if __name__ == "__main__":
    sys.exit(main())
