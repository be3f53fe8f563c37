"""Trains the models of `benchmarks/recipes` and scores each on its test set. About an hour on two cores.

    python -m benchmarks.trained DATA [--models FOLDER] [--recipes NAME... | --with-teachers]

DATA is a folder with classification/ and relations/. Prints Markdown rows, as `enrich evaluate --table` does. A model
that is in FOLDER already is scored, not trained again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

RECIPES = Path(__file__).parent / "recipes"
TESTS: dict[str, Sequence[str]] = {
    "banking77": ("classification/banking77.test.jsonl",),
    "banking77_lora": ("classification/banking77.test.jsonl",),
    "banking77_10": ("classification/banking77.test.jsonl",),
    "clinc150": ("classification/clinc150.test.jsonl", "--out-of-scope", "classification/clinc150.oos_test.jsonl"),
    "sentiment": ("classification/sst2.dev.jsonl",),
    "conll04": ("relations/conll04.test.jsonl",),
}
# Only when asked for: its teacher comes from the hub.
WITH_TEACHER: dict[str, Sequence[str]] = {"conll04_taught": ("relations/conll04.test.jsonl",)}


def enrich(*arguments: str) -> str:
    """What the command prints. Its progress goes to stderr. Exits where the command fails."""
    command = [sys.executable, "-m", "workers.cli.main", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"trained: {' '.join(command)} ended with {done.returncode}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", type=Path, default=Path("build/trained"), help="where the models are kept")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--recipes", nargs="+", choices=sorted(TESTS | WITH_TEACHER), default=list(TESTS))
    which.add_argument(
        "--with-teachers",
        dest="recipes",
        action="store_const",
        const=list(TESTS | WITH_TEACHER),
        help="also those whose teachers come from the hub",
    )
    arguments = parser.parse_args()
    for name in arguments.recipes:
        folder = arguments.models / name
        if not (folder / "config.json").is_file():
            enrich("train", str(RECIPES / f"{name}.yaml"), "--data", str(arguments.data), "--out", str(folder))
        test = [part if part.startswith("--") else str(arguments.data / part) for part in (TESTS | WITH_TEACHER)[name]]
        print(f"{enrich('evaluate', str(folder), *test, '--table')}", flush=True)


if __name__ == "__main__":
    main()
