"""What it is worth on a GPU to lay windows end to end instead of padding them: the same model, texts and number format.

    python -m benchmarks.unpadded [DATA] [--documents 2000] [--turns 5]

Forward passes alone, both ways in turns, each with the batch size that is fastest for it. The texts are whole
documents, and pieces of 8 to 40 words with one of 120 to 160 in 64. Padded, a batch holds windows of one length; end to
end, of all lengths. Needs a CUDA device: elsewhere no kernel takes windows end to end.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

from benchmarks.ceiling import Batches, best_budget, seconds_of, sorted_batches, windows_of
from benchmarks.documents import cut_to_words, read_samples
from benchmarks.machine import describe_machine
from benchmarks.mix import MIXED, lengths_of
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.plots import bars
from benchmarks.report import Cell, Report, Spread, in_turns, publish, ratios
from workers.compose import AnyModel, load_models
from workers.settings import DEFAULT_MODEL, Settings
from workers.text.pieces import Window

NAME = "unpadded"
PADDED, END_TO_END = "padded", "end to end"
WAYS = {PADDED: "always", END_TO_END: "auto"}


def model_of(settings: Settings, padding: str) -> AnyModel:
    chosen = settings.model.model_copy(update={"padding": padding})
    return load_models(settings.model_copy(update={"model": chosen}))[DEFAULT_MODEL]


def rows_of(texts: str, models: dict[str, AnyModel], windows: Sequence[Window], turns: int) -> list[tuple[Cell, ...]]:
    budgets = {way: best_budget(model, windows) for way, model in models.items()}
    batches = {way: sorted_batches(model, windows, budget=budgets[way]) for way, model in models.items()}
    found = in_turns({way: partial(seconds_of, models[way], batches[way].batches) for way in models}, turns)
    speeds = {way: [batches[way].useful_tokens / seconds for seconds in own] for way, own in found.items()}
    return [row_of(f"{texts}, {way}", speeds[way], speeds[PADDED], batches[way], budgets[way]) for way in models]


def row_of(
    name: str, speeds: Sequence[float], padded: Sequence[float], batches: Batches, budget: int
) -> tuple[Cell, ...]:
    return name, Spread.of(speeds), ratios(speeds, padded), batches.padding_waste, len(batches.batches), budget


def main() -> None:
    parser = make_parser(__doc__, documents=2_000, turns=5)
    arguments: argparse.Namespace = parser.parse_args()
    settings = settings_of(arguments)
    models = {way: model_of(settings, padding) for way, padding in WAYS.items()}
    if models[END_TO_END].info.padded:
        raise SystemExit("no kernel here takes windows end to end: run this on a machine with a CUDA device")
    samples = read_samples(arguments.data, arguments.documents)
    pool = [sample for sample in samples if sample.text.isascii()]
    files = {"documents": samples, MIXED: cut_to_words(pool, lengths_of(8 * arguments.documents)[MIXED])}
    loaded = {DEFAULT_MODEL: models[PADDED]}
    cut = {name: windows_of(settings, loaded, own) for name, own in files.items()}
    report = Report(
        benchmark=NAME,
        question="Windows end to end instead of padded, on a GPU",
        command=command_of(NAME, parser, arguments),
        machine=describe_machine(precision=models[PADDED].info.precision),
        turns=arguments.turns,
        columns=("texts", "useful tokens/s", "against padded", "padding waste", "batches", "tokens of a batch"),
        rows=tuple(row for name, own in cut.items() for row in rows_of(name, models, own, arguments.turns)),
    )
    publish(report, arguments.out, bars("useful tokens/s"))


if __name__ == "__main__":
    main()
