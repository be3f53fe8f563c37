"""The most that the model itself can do: forward passes over windows that are cut, prepared, sorted and batched before.

No decoding, no queue, no thread: what is slower than this is the price of everything around the model.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.documents import Sample
from benchmarks.runs import FRAME
from workers.apart import apart
from workers.batching.policy import BatchLimit
from workers.compose import AnyModel, open_pipeline
from workers.enrich.reading import Reading
from workers.settings import DEFAULT_MODEL, Settings
from workers.text.pieces import Window
from workers.transport.base import IncomingRecord, Partition

BUDGETS = (1_024, 2_048, 4_096, 8_192)  # padded tokens of a batch that are tried
TRIED_TOKENS = 65_536  # of windows for each try

Batch = Sequence[Any]  # prepared windows of one padded length


@dataclass(frozen=True, slots=True)
class Batches:
    """Everything to run, as the device would like it best."""

    batches: tuple[Batch, ...]
    useful_tokens: int  # without padding and special tokens

    @property
    def padded_tokens(self) -> int:
        return sum(item.area for batch in self.batches for item in batch)

    @property
    def windows(self) -> int:
        return sum(map(len, self.batches))

    @property
    def padding_waste(self) -> float:
        return 1 - (self.useful_tokens + FRAME * self.windows) / self.padded_tokens


def windows_of(settings: Settings, models: Mapping[str, AnyModel], samples: Sequence[Sample]) -> list[Window]:
    """What the product would ask the default model about these documents: the same windows, none twice."""
    records = [IncomingRecord(Partition("bench", 0), n, None, None, s.value) for n, s in enumerate(samples)]
    with open_pipeline(settings, models) as pipeline:
        read = pipeline.reader.read([pipeline.check(record) for record in records])
    return [w for item in read if isinstance(item, Reading) for w in item.cuts[DEFAULT_MODEL].windows]


def sorted_batches(model: AnyModel, windows: Sequence[Window], *, budget: int, max_items: int = 4_096) -> Batches:
    """Batches of one padded length each, as full as `budget` padded tokens allow, longest first."""
    prepared = sorted(model.prepare(windows), key=lambda item: -item.area)
    limit = BatchLimit(max_items, budget)
    batches: list[Batch] = []
    for area, group in itertools.groupby(prepared, key=lambda item: item.area):
        batches += chunks(list(group), limit.items(area))
    return Batches(tuple(batches), sum(len(window.tokens) for window in windows))


def chunks(items: Sequence[Any], size: int) -> list[Batch]:
    return [items[start : start + size] for start in range(0, len(items), size)]


@apart
def seconds_of(model: AnyModel, batches: Iterable[Batch]) -> float:
    """Of the forward passes alone."""
    started_s = time.perf_counter()
    for batch in batches:
        model.forward(batch)
    return time.perf_counter() - started_s


@apart
def best_budget(model: AnyModel, windows: Sequence[Window], *, budgets: Sequence[int] = BUDGETS) -> int:
    """The batch size that is fastest on a part of these windows, evenly drawn: the better of two passes each counts."""
    tokens = sum(len(window.tokens) for window in windows)
    drawn = windows[:: max(1, tokens // TRIED_TOKENS)]
    quickest = {}
    for budget in budgets:
        tried = sorted_batches(model, drawn, budget=budget)
        seconds_of(model, tried.batches[:1])  # warms up
        quickest[budget] = min(seconds_of(model, tried.batches) for _ in range(2))
    return min(quickest, key=lambda budget: quickest[budget])
