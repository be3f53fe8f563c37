"""What the step of padded lengths costs in padding and saves in company. Figures of decision 0012.

    python -m benchmarks.padding_steps [DATA] [--documents 1100]

Lengths of windows are those of the documents; batches are chosen by the product's own policy, and counted, not run:
three epochs of 128 documents under way, the device takes the next batch as soon as it has done the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from benchmarks.clock import trunk_tokenizer
from benchmarks.documents import read_samples
from benchmarks.options import make_parser
from benchmarks.runs import FRAME
from workers.batching.policy import CPU_LIMIT, Buckets
from workers.models.prepared import padded_length
from workers.settings import EpochSettings, WindowSettings
from workers.text.sentences import split_sentences
from workers.text.windows import cut_windows


def rounded_up(tokens: int, *, step: int) -> int:
    return -(-tokens // step) * step


PaddedTo = Callable[[int], int]
STEPS: Mapping[str, PaddedTo] = {
    **{str(step): partial(rounded_up, step=step) for step in (16, 8, 4, 1)},
    "2, 4, 8 by length": padded_length,
}
OBJECTIVES_S = (0.005, 1.0, 60.0)
PASS_S, TOKENS_PER_S = 0.008, 7_000.0  # of the passes that are not run
BUDGET = 4_096  # padded tokens


def lengths_of(texts: Sequence[str]) -> list[list[int]]:
    """Tokens of each window, by document."""
    window = WindowSettings()
    return [
        [
            len(cut.tokens)
            for cut in cut_windows(
                text,
                tokens,
                split_sentences(text),
                max_tokens=window.max_tokens,
                overlap_tokens=window.overlap_tokens,
            )
        ]
        for text, tokens in zip(texts, trunk_tokenizer().cut(texts), strict=True)
    ]


def count_batches(epochs: Sequence[Sequence[int]], *, padded_to: PaddedTo, objective_s: float) -> tuple[int, int]:
    """Batches, and their padded tokens together."""
    limit = replace(CPU_LIMIT, max_padded_tokens=BUDGET)
    buckets: Buckets[int] = Buckets()
    left = [len(epoch) for epoch in epochs]
    begun = done = batches = padded = 0
    now_s = 0.0
    while done < len(epochs):
        while begun < min(len(epochs), done + EpochSettings().max_in_flight):
            for tokens in epochs[begun]:
                buckets.add(begun, area=padded_to(tokens + FRAME), due_s=now_s + objective_s)
            begun += 1
        batch = buckets.take_batch(limit, now_s=now_s)
        area = sum(entry.area for entry in batch)
        now_s += PASS_S + area / TOKENS_PER_S
        batches, padded = batches + 1, padded + area
        for entry in batch:
            left[entry.item] -= 1
        while done < begun and not left[done]:
            done += 1
    return batches, padded


def main() -> None:
    parser = make_parser(__doc__, documents=1_100, turns=None)
    arguments = parser.parse_args()
    lengths = lengths_of([sample.text for sample in read_samples(arguments.data, arguments.documents)])
    size = EpochSettings().max_records
    epochs = [[n for own in lengths[at : at + size] for n in own] for at in range(0, len(lengths), size)]
    useful = sum(map(sum, epochs))
    print("| step | latency objective, s | waste | padded tokens of a batch |\n| --- | --- | --- | --- |")
    for step, padded_to in STEPS.items():
        for objective_s in OBJECTIVES_S:
            batches, padded = count_batches(epochs, padded_to=padded_to, objective_s=objective_s)
            print(f"| {step} | {objective_s:g} | {1 - useful / padded:.1%} | {padded / batches:,.0f} |")


if __name__ == "__main__":
    main()
