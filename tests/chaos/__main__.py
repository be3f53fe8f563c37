"""The long chaos run: `python -m tests.chaos --documents 20000 --workers 3 --kills 3 --freezes 3`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.driver import ECHO_WORKER, Plan, chaos_settings, run
from tests.services import find_kafka


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--freezes", type=int, default=3)
    parser.add_argument("--client", choices=["kafka-python", "confluent"], default="kafka-python")
    parser.add_argument("--static", action="store_true", help="static membership: a worker keeps its name over a kill")
    parser.add_argument("--seed", type=int, default=1, help="which worker meets which fault when")
    parser.add_argument("--command", default=ECHO_WORKER, help="what a worker process is; settings by ENRICH_CONFIG")
    arguments = parser.parse_args()
    source = find_kafka()
    if source is None:
        print("no broker was found, see tests/services.py", file=sys.stderr)
        return 2
    client = vars(arguments).pop("client")
    plan = Plan(**vars(arguments))
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        print(f"broker: {source.name}\nlogs: {folder}")
        settings = chaos_settings(source.start(stack, folder / "kafka"), uuid.uuid4().hex[:8], client=client)
        report = run(plan, settings, folder, say=print)
    verdict = report.verdict
    print(
        f"{verdict.sent} documents, {plan.workers} workers, {plan.kills} kills, {plan.freezes} freezes of "
        f"{plan.freeze_s:g} s, {'static' if plan.static else 'dynamic'} membership, {client}: {verdict.lost} lost, "
        f"{verdict.duplicated} duplicated, {verdict.out_of_order} out of order, {verdict.dead} dead-lettered, "
        f"{report.seconds:.0f} s"
    )
    return 0 if verdict.exact else 1


if __name__ == "__main__":
    sys.exit(main())
