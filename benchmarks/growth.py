"""What a document costs our own code as there are more documents, more labels, or longer ones; the model takes no time.

Milliseconds of processor time of the whole process per document, from the first record read until the last one written;
the worker reads a file and writes one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.clock import ClockModel
from benchmarks.documents import Sample, cut_to_words, write_samples
from benchmarks.report import Spread, in_turns
from benchmarks.runs import run_file
from workers.settings import DEFAULT_LABELS, DEFAULT_MODEL, Settings

FACTORS = (1, 2, 4, 8)
WORDS = 150  # of a document, where that is not what grows


@dataclass(frozen=True, slots=True)
class Size:
    """What one run is made of."""

    documents: int
    words: int = WORDS
    labels: int = len(DEFAULT_LABELS)


@dataclass(frozen=True, slots=True)
class Growth:
    """CPU milliseconds per document, by what was made larger and by which factor."""

    grown: str
    sizes: tuple[Size, ...]
    cost_ms: tuple[Spread, ...]


def sizes_of(documents: int) -> dict[str, tuple[Size, ...]]:
    """Lengths grow over fewer documents, so that the whole stays the same."""
    return {
        "documents": tuple(Size(documents * factor) for factor in FACTORS),
        "labels": tuple(Size(documents, labels=len(DEFAULT_LABELS) * factor) for factor in FACTORS),
        "words": tuple(Size(max(2, documents // factor), words=WORDS * factor) for factor in FACTORS),
    }


def with_labels(settings: Settings, count: int) -> Settings:
    labels = {f"label {number}": f"A text about subject number {number}." for number in range(count)}
    classification = settings.stages.classification.model_copy(update={"labels": labels})
    stages = settings.stages.model_copy(update={"classification": classification})
    return settings.model_copy(update={"stages": stages})


def cost_of(settings: Settings, source: Path, size: Size) -> float:
    """CPU milliseconds per document of one run."""
    own = with_labels(settings, size.labels)
    model = ClockModel(labels=tuple(own.stages.classification.labels))
    run = run_file(own, {DEFAULT_MODEL: model}, source, documents=size.documents)
    return 1_000 * run.cpu_s / run.documents


def measure_growth(
    settings: Settings, pool: Sequence[Sample], folder: Path, *, documents: int, turns: int
) -> list[Growth]:
    """All sizes take turns."""
    runs: dict[str, Callable[[], float]] = {}
    sizes = sizes_of(documents)
    for grown, own in sizes.items():
        for factor, size in zip(FACTORS, own, strict=True):
            source = folder / f"{grown}-{factor}.jsonl"
            write_samples(source, cut_to_words(pool, [size.words] * size.documents))
            runs[f"{grown} {factor}"] = partial(cost_of, settings, source, size)
    next(iter(runs.values()))()  # loads what is loaded once, such as the language model
    found = in_turns(runs, turns)
    return [
        Growth(grown, own, tuple(Spread.of(found[f"{grown} {factor}"]) for factor in FACTORS))
        for grown, own in sizes.items()
    ]
