"""The ceiling: useful tokens a second of the model's forward pass alone, and its share of the matrix-multiply peak.

    python -m benchmarks.limit [DATA] [--documents 400] [--turns 5]

The texts are cut into windows, tokenized, prepared, sorted by length and batched before the clock starts; what is
timed is `model.forward`, batch after batch, at the batch size that a trial finds fastest. A useful token is one of the
text, neither padding nor a special token. The peak is what the machine reaches on the model's own matrix products
(same sizes, same number format, one batch of tokens) and nothing else; both take turns. The share counts the
operations of all products in the passes, on padding too.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from benchmarks.ceiling import Batches, best_budget, seconds_of, sorted_batches, windows_of
from benchmarks.documents import read_samples
from benchmarks.machine import describe_machine
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.peak import Multiplier, Shape, shape_of
from benchmarks.plots import bars
from benchmarks.report import Report, Spread, in_turns, publish, ratios
from workers.apart import apart
from workers.compose import AnyModel, load_models
from workers.settings import DEFAULT_MODEL

NAME = "limit"


@dataclass(frozen=True, slots=True)
class Limit:
    """One figure per turn."""

    seconds: tuple[float, ...]  # of all passes
    peak: tuple[float, ...]  # operations a second of the bare products


def measure(model: AnyModel, batches: Batches, multiplier: Multiplier, *, turns: int) -> Limit:
    seconds_of(model, batches.batches[:1])  # warms up
    first_s = seconds_of(model, batches.batches)  # and this tells how long a turn of the peak should be
    runs = {
        "passes": lambda: seconds_of(model, batches.batches),
        "peak": lambda: multiplier.operations_per_s(at_least_s=min(first_s, 5.0)),
    }
    found = in_turns(runs, turns)
    return Limit(tuple(found["passes"]), tuple(found["peak"]))


def report_of(limit: Limit, batches: Batches, shape: Shape, *, command: str, machine: dict[str, str]) -> Report:
    operations = shape.operations(batches.batches)
    speeds = [operations / seconds for seconds in limit.seconds]
    return Report(
        benchmark=NAME,
        question="The ceiling: the model's forward pass and nothing else",
        command=command,
        machine=machine,
        turns=len(limit.seconds),
        columns=("measured", "useful tokens/s", "GFLOP/s", "share of the peak"),
        rows=(
            (
                "forward pass",
                Spread.of(batches.useful_tokens / seconds for seconds in limit.seconds),
                Spread.of(speed / 1e9 for speed in speeds),
                ratios(speeds, limit.peak),
            ),
            ("matrix products alone", None, Spread.of(peak / 1e9 for peak in limit.peak), 1.0),
        ),
        notes=(
            f"{batches.useful_tokens:,} useful tokens in {len(batches.batches):,} batches, "
            f"padding {batches.padding_waste:.1%} of the area.",
        ),
    )


def main() -> None:
    parser = make_parser(__doc__, documents=400, turns=5)
    arguments: argparse.Namespace = parser.parse_args()
    settings = settings_of(arguments)
    models = load_models(settings)
    model = models[DEFAULT_MODEL]
    windows = windows_of(settings, models, read_samples(arguments.data, arguments.documents))
    budget = best_budget(model, windows)
    batches = sorted_batches(model, windows, budget=budget)
    shape = shape_of(settings)
    multiplier = apart(Multiplier)(shape, tokens=budget, precision=model.info.precision, device=settings.model.device)
    limit = measure(model, batches, multiplier, turns=arguments.turns)
    machine = describe_machine(precision=model.info.precision, batch=f"{budget:,} padded tokens")
    command = command_of(NAME, parser, arguments)
    report = report_of(limit, batches, shape, command=command, machine=machine)
    publish(report, arguments.out, bars("GFLOP/s"))


if __name__ == "__main__":
    main()
