"""Fuzzes the decoder of documents: `python -m tests.fuzz.decoder --payloads 200000` or `--seconds 60`.

The first mutates documents by a seed and prints what became of them. The second lets atheris (libFuzzer; the extra
`fuzz`) look for payloads that reach new code, for a bounded time; a payload that breaks something is left in a file.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.outcome import outcome_of
from tests.fuzz.payloads import PIECES, PLAIN, payloads


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--payloads", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, help="let atheris look for so long instead")
    arguments = parser.parse_args()
    if arguments.seconds:
        explore(arguments.seconds, arguments.seed)
    return mutate(arguments.payloads, arguments.seed)


def mutate(count: int, seed: int) -> int:
    outcomes = Counter[str]()
    crashes = 0
    slowest_s, started_s = 0.0, time.monotonic()
    for value, headers in payloads(count, seed=seed):
        before_s = time.thread_time()
        try:
            outcomes[outcome_of(value, headers)] += 1
        except Exception as error:  # noqa: BLE001  boundary: this is what it looks for
            crashes += 1
            print(f"{type(error).__name__}: {error}: {value[:300]!r}", file=sys.stderr)
        slowest_s = max(slowest_s, time.thread_time() - before_s)
    print("| outcome | payloads |\n|---|---|")
    for name, number in outcomes.most_common():
        print(f"| {name} | {number} |")
    print(
        f"{count} payloads, {crashes} crashes, one outcome each for {outcomes.total()}; "
        f"the slowest took {slowest_s * 1000:.1f} ms of its thread; {time.monotonic() - started_s:.0f} s"
    )
    return 0 if crashes == 0 else 1


def explore(seconds: int, seed: int) -> None:
    """Does not return: libFuzzer ends the process, with 0 if nothing broke."""
    try:
        import atheris
    except ModuleNotFoundError:
        sys.exit("atheris is not installed: pip install 'enrich-workers[fuzz]'")
    from workers.enrich import outgoing, validate

    for function in (*vars(validate).values(), *vars(outgoing.Outgoing).values()):
        if getattr(function, "__module__", "") in (validate.__name__, outgoing.__name__) and callable(function):
            atheris.instrument_func(function)
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-decoder-"))
    seeds = [*(value for value, _ in payloads(200, seed=seed)), *PIECES]
    for number, value in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(b"j" + value)
    options = (f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=8192", "-timeout=10", "-print_final_stats=1")
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={corpus}/", str(corpus)], one_payload)
    atheris.Fuzz()


def one_payload(data: bytes) -> None:
    """The first byte says whether the rest is plain text."""
    outcome_of(data[1:], PLAIN if data[:1] == b"t" else ())


if __name__ == "__main__":
    sys.exit(main())
