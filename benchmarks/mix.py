"""What a long text does to short ones: padding and speed of heavy-tailed lengths against even ones.

    python -m benchmarks.mix [DATA] [--documents 1024] [--turns 5]

Three files take turns through the worker, model loaded before, nothing cached. Texts are cut out of the documents:
short ones have 8 to 40 words, evenly drawn, and long ones 120 to 160, which still is one window. In the mixed file one
text in 64 is long. Beside it stands what batches of 64 would waste if they were padded to their longest text in the
order in which texts come, which is counted and not run. Useful tokens are those of the texts, without padding and
without the start and end token of each window: the model reads those, so they are told apart from padding.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.ceiling import windows_of
from benchmarks.documents import Sample, cut_to_words, read_samples, write_samples
from benchmarks.machine import describe_machine
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.plots import bars
from benchmarks.report import Report, Spread, in_turns, publish, ratios
from benchmarks.runs import FRAME, Run, run_file
from workers.budgets import measured_budgets
from workers.compose import load_models
from workers.settings import DEFAULT_MODEL

NAME = "mix"
SHORT, LONG = (8, 40), (120, 160)  # words
ONE_IN = 64
NAIVE_BATCH = 64
MIXED, NONE_LONG, ALL_LONG = "one long in 64", "all short", "all long"


def lengths_of(count: int, *, seed: int = 3) -> dict[str, list[int]]:
    """Words of each text, by file. The mixed file is the short one with every 64th length exchanged."""
    chance = random.Random(seed)
    short = [chance.randint(*SHORT) for _ in range(count)]
    long = [chance.randint(*LONG) for _ in range(count)]
    mixed = [long[n] if n % ONE_IN == ONE_IN // 2 else short[n] for n in range(count)]
    return {NONE_LONG: short, MIXED: mixed, ALL_LONG: long[: max(1, count // 4)]}


def naive_waste(lengths: Sequence[int], *, size: int = NAIVE_BATCH) -> float:
    """Padded share of the area of batches of `size` texts as they come; lengths with start and end tokens."""
    batches = [lengths[start : start + size] for start in range(0, len(lengths), size)]
    return 1 - sum(lengths) / sum(max(batch) * len(batch) for batch in batches)


def rows_of(
    found: Mapping[str, Sequence[Run]], naive: Mapping[str, float]
) -> tuple[tuple[str | float | Spread, ...], ...]:
    even = [run.tokens_per_s for run in found[NONE_LONG]]
    return tuple(
        (
            name,
            Spread.of(run.tokens_per_s for run in runs),
            ratios([run.tokens_per_s for run in runs], even),
            Spread.of(run.padding_waste for run in runs),
            Spread.of(run.framing for run in runs),
            naive[name],
        )
        for name, runs in found.items()
    )


def main() -> None:
    parser = make_parser(__doc__, documents=1_024, turns=5)
    arguments: argparse.Namespace = parser.parse_args()
    settings = settings_of(arguments)
    models = load_models(settings)
    budgets = measured_budgets(settings, models)
    pool = [sample for sample in read_samples(arguments.data, 300) if sample.text.isascii()]
    texts: dict[str, list[Sample]] = {
        name: cut_to_words(pool, lengths) for name, lengths in lengths_of(arguments.documents).items()
    }
    naive = {
        name: naive_waste([len(window.tokens) + FRAME for window in windows_of(settings, models, samples)])
        for name, samples in texts.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        runs = {}
        for number, (name, samples) in enumerate(texts.items()):
            source = write_samples(Path(folder) / f"{number}.jsonl", samples)
            runs[name] = partial(run_file, settings, models, source, documents=len(samples), budgets=budgets)
        run_file(settings, models, source, documents=len(samples), budgets=budgets)  # warms up
        found = in_turns(runs, arguments.turns)
    report = Report(
        benchmark=NAME,
        question="One long text in 64: what it costs the short ones",
        command=command_of(NAME, parser, arguments),
        machine=describe_machine(precision=models[DEFAULT_MODEL].info.precision),
        turns=arguments.turns,
        columns=(
            "lengths",
            "useful tokens/s",
            "against all short",
            "padding waste",
            "start and end tokens",
            f"in batches of {NAIVE_BATCH} as they come",
        ),
        rows=rows_of(found, naive),
    )
    publish(report, arguments.out, bars("useful tokens/s"))


if __name__ == "__main__":
    main()
