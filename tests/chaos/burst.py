"""A burst of large documents in little memory: `python -m tests.chaos.burst`. Peak memory of a worker process.

Runs `enrich run` on 200 documents of 1 MB, by default with the packaged model, and tells the peak of its resident
memory beside that of the same command with one short document. The documents repeat one sentence: equal windows are
answered once, so that it takes minutes and not hours; they are all cut, held and put together again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

SENTENCE = "The meeting was moved to the next morning because nobody had found the time for it. "
RUN = (sys.executable, "-m", "workers.cli.main", "run")
SMALL = {
    "ENRICH_EPOCH__MAX_BYTES": "1048576",
    "ENRICH_EPOCH__MAX_IN_FLIGHT_BYTES": "2097152",
    "ENRICH_EPOCH__MAX_IN_FLIGHT_TOKENS": "65536",
}


@dataclass(frozen=True, slots=True)
class Peak:
    documents: int
    mebibytes: int
    seconds: float


def run(
    folder: Path, count: int, size_bytes: int, *, command: Sequence[str] = RUN, environment: Mapping[str, str] = SMALL
) -> Peak:
    """Peak resident memory of a process that enriches so many documents of this size. Raises if it fails."""
    source, out = folder / f"{count}.jsonl", folder / f"{count}.out.jsonl"
    text = (SENTENCE * (size_bytes // len(SENTENCE)))[: size_bytes - 100]
    with source.open("wb") as lines:
        for number in range(count):
            lines.write(orjson.dumps({"id": str(number), "text": f"{number} {text}", "language": "en"}) + b"\n")
    started_s = time.monotonic()
    process = subprocess.Popen([*command, str(source), "-o", str(out)], env={**os.environ, **environment})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"the worker ended with {process.returncode}")
    with out.open("rb") as lines:
        written = sum(1 for _ in lines)
    return Peak(written, usage.ru_maxrss // 1024, time.monotonic() - started_s)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--bytes", type=int, default=1_000_000)
    parser.add_argument("--as-set", action="store_true", help="the default limits in place of small ones")
    arguments = parser.parse_args()
    environment = {} if arguments.as_set else SMALL
    with tempfile.TemporaryDirectory() as folder:
        alone = run(Path(folder), 1, 1_000, environment=environment)
        burst = run(Path(folder), arguments.documents, arguments.bytes, environment=environment)
    print(
        f"one short document: peak {alone.mebibytes} MiB\n"
        f"{burst.documents} documents of {arguments.bytes} bytes: peak {burst.mebibytes} MiB, {burst.seconds:.0f} s"
    )
    return 0 if burst.documents == arguments.documents else 1


if __name__ == "__main__":
    sys.exit(main())
