"""The most that the model itself can do: forward passes over windows that are cut, prepared, sorted and batched before.

No decoding, no queue, no thread: what is slower than this is the price of everything around the model.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.documents import Sample
from benchmarks.runs import FRAME
from workers.apart import apart
from workers.batching.policy import BatchLimit, Buckets
from workers.compose import AnyModel, open_pipeline
from workers.enrich.reading import Reading
from workers.settings import DEFAULT_MODEL, Settings
from workers.text.pieces import Window
from workers.transport.base import IncomingRecord, Partition

BUDGETS = (1_024, 2_048, 4_096, 8_192)  # padded tokens of a batch that are tried, on a CPU
GPU_BUDGETS = (16_384, 32_768, 65_536, 131_072, 262_144)
TRIED_TOKENS = 65_536  # of windows for each try, or as many as two of the largest batches have

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
    """As full as `budget` tokens allow, longest first; of one padded length each, where the model pads."""
    prepared = sorted(model.prepare(windows), key=lambda item: -item.area)
    buckets: Buckets[Any] = Buckets(padded=model.info.padded)
    for number, item in enumerate(prepared):
        buckets.add(item, area=item.area, due_s=float(number))
    batches: list[Batch] = []
    while taken := buckets.take_batch(BatchLimit(max_items, budget), now_s=float(len(prepared))):
        batches.append([entry.item for entry in taken])
    return Batches(tuple(batches), sum(len(window.tokens) for window in windows))


@apart
def seconds_of(model: AnyModel, batches: Iterable[Batch]) -> float:
    """Of the forward passes alone."""
    started_s = time.perf_counter()
    for batch in batches:
        model.forward(batch)
    return time.perf_counter() - started_s


@apart
def best_budget(model: AnyModel, windows: Sequence[Window], *, budgets: Sequence[int] | None = None) -> int:
    """The batch size that is fastest on a part of these windows, evenly drawn: the better of two passes each counts."""
    budgets = budgets or (GPU_BUDGETS if (model.info.device or "").startswith("cuda") else BUDGETS)
    tokens = sum(len(window.tokens) for window in windows)
    drawn = windows[:: max(1, tokens // max(TRIED_TOKENS, 2 * max(budgets)))]
    quickest = {}
    for budget in budgets:
        tried = sorted_batches(model, drawn, budget=budget)
        seconds_of(model, tried.batches[:1])  # warms up
        quickest[budget] = min(seconds_of(model, tried.batches) for _ in range(2))
    return min(quickest, key=lambda budget: quickest[budget])
