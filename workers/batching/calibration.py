"""How many padded tokens a batch should hold, found by running the model at a few lengths when a worker starts.

Larger batches are faster up to a point that depends on model and device, and beyond it only answer later. So the budget
of a length is the smallest that is nearly as fast as the best. Has no clock of its own, and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field, PositiveFloat, PositiveInt

from workers.batching.policy import BatchLimit
from workers.errors import OutOfMemory
from workers.models.base import WindowModel
from workers.settings import FrozenSettings
from workers.text.pieces import Window

NEARLY = 0.97  # of the best speed
LENGTHS = (30, 94, 254)  # tokens of a window without special ones, as far as the model reads
# Padded tokens. A pass of 1,024 is as fast on two cores, but every batch also costs the threads beside the device,
# which share them: of the ceiling in `benchmarks.throughput` `enrich run` reached 0.85 with 1,024, and 0.93 or more
# from 2,048 on.
SMALLEST = 4_096
ROUNDS = 3  # passes of each size, of which the quickest counts
TRIED_TOKENS = 1_024  # padded, of a pass that tries a number of threads
BOX_S = 3.0  # about the longest that a start may be held up
FILLER = "On Monday the company Example of Springfield said that its results were better than expected. "


class Budgets(FrozenSettings):
    """Padded tokens of a batch, and useful speed, by the padded length of its windows."""

    padded_tokens: dict[PositiveInt, PositiveInt] = Field(default_factory=dict)
    tokens_per_s: dict[PositiveInt, PositiveFloat] = Field(default_factory=dict)

    def describe(self) -> str:
        """One line for people."""
        told = (
            f"{area}: {budget:,} ({self.tokens_per_s[area]:,.0f} tokens/s)"
            for area, budget in sorted(self.padded_tokens.items())
        )
        return "padded tokens of a batch by length, measured: " + ", ".join(told)


class Threads(FrozenSettings):
    """How many threads one operation of a pass uses, and useful speed by number of threads."""

    threads: PositiveInt
    tokens_per_s: dict[PositiveInt, PositiveFloat]

    def describe(self) -> str:
        """One line for people."""
        told = ", ".join(f"{count}: {speed:,.0f}" for count, speed in sorted(self.tokens_per_s.items()))
        return f"{self.threads} threads of an operation, measured (tokens/s by threads: {told})"


def find_threads(
    model: WindowModel[Any, Any], most: int, *, use: Callable[[int], None], clock: Callable[[], float]
) -> Threads:
    """The fewest threads that are nearly as fast as the best; `use` sets them, and has set those when this returns.

    What a pass leaves free is there for the other threads of the worker; a pass whose thread had to give way to one of
    them waits for it. Tries `most`, one less, and half of them. Raises what the model raises.
    """
    window = filler_window(model, min(LENGTHS[1], model.max_window_tokens))
    area = model.prepare([window])[0].area
    batch = model.prepare([window] * max(1, TRIED_TOKENS // area))
    useful, speeds = len(batch) * len(window.tokens), dict[int, float]()
    for count in sorted({most, max(1, most - 1), max(1, most // 2)}):
        use(count)
        speeds[count] = useful / max(_quickest(lambda: model.forward(batch), clock), 1e-9)
    chosen = smallest_good(speeds)
    use(chosen)
    return Threads(threads=chosen, tokens_per_s=speeds)


def calibrated_speed(models: Sequence[Budgets | None]) -> float | None:
    """Tokens a second of passes alone, at the longest length measured, if every token goes through one of these models
    and all share a device; None if one of them was not measured."""
    measured = [found.tokens_per_s for found in models if found is not None and found.tokens_per_s]
    speeds = [by_length[max(by_length)] for by_length in measured]
    if not speeds or len(speeds) < len(models):
        return None
    return len(speeds) / sum(1.0 / speed for speed in speeds)


def smallest_good(speeds: Mapping[int, float]) -> int:
    """Of batch sizes with their speeds, the smallest that is nearly as fast as the fastest."""
    enough = NEARLY * max(speeds.values())
    return min(size for size, speed in speeds.items() if speed >= enough)


def find_budgets(
    model: WindowModel[Any, Any], limit: BatchLimit, *, clock: Callable[[], float], box_s: float = BOX_S
) -> Budgets:
    """Within `limit`, and about within `box_s` seconds: of the smallest batch of each length there is always a figure.

    Raises what the model raises, but for OutOfMemory, which ends the growth of a batch.
    """
    budgets, speeds = dict[int, int](), dict[int, float]()
    end_s = clock() + box_s
    lengths = sorted({min(length, model.max_window_tokens) for length in LENGTHS})
    for done, length in enumerate(lengths):
        share_s = (end_s - clock()) / (len(lengths) - done)
        window = filler_window(model, length)
        area = model.prepare([window])[0].area
        most_tokens = limit.items(area) * area
        measured = _speeds(model, window, area, most_tokens=most_tokens, clock=clock, box_s=share_s)
        if measured:  # else not even the smallest fits into memory
            budgets[area] = smallest_good(measured)
            speeds[area] = measured[budgets[area]]
    return Budgets(padded_tokens=budgets, tokens_per_s=speeds)


def warm_up(model: WindowModel[Any, Any], limit: BatchLimit, budgets: Budgets) -> None:
    """The largest batch there can be, once, from text to answers.

    What memory a worker needs shows at its start, and not first an hour later, when so many long windows happen to come
    together. A batch that does not fit is left to the batcher, which lowers its limit. Raises what else the model
    raises.
    """
    own = replace(limit, budgets=tuple(sorted(budgets.padded_tokens.items())))
    windows = [filler_window(model, min(length, model.max_window_tokens)) for length in LENGTHS]
    areas = [model.prepare([window])[0].area for window in windows]
    most, area, window = max((own.items(area) * area, area, n) for n, area in enumerate(areas))
    try:
        batch = model.prepare([windows[window]] * (most // area))
        model.decode(model.forward(batch), batch)
    except OutOfMemory:
        pass


def _speeds(
    model: WindowModel[Any, Any],
    window: Window,
    area: int,
    *,
    most_tokens: int,
    clock: Callable[[], float],
    box_s: float,
) -> dict[int, float]:
    """Tokens a second by padded tokens of the batch, doubling while there is memory and time."""
    found: dict[int, float] = {}
    end_s = clock() + box_s
    size = min(SMALLEST, most_tokens)
    while size <= most_tokens and (not found or clock() < end_s):
        items = max(1, size // area)
        batch = model.prepare([window] * items)
        try:
            seconds = _quickest(lambda batch=batch: model.forward(batch), clock)  # type: ignore[misc]
        except OutOfMemory:
            break
        found[max(size, area)] = items * len(window.tokens) / max(seconds, 1e-9)
        size *= 2
    return found


def _quickest(run: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds. The first pass of a size warms up and does not count."""
    run()
    times = []
    for _ in range(ROUNDS):
        before_s = clock()
        run()
        times.append(clock() - before_s)
    return min(times)


def filler_window(model: WindowModel[Any, Any], length: int) -> Window:
    """A window of about so many tokens of ordinary text, in one sentence."""
    text = FILLER * (1 + length // 8)
    tokens = model.tokenize([text])[0]
    end = int(tokens.ends[min(length, len(tokens)) - 1])
    return Window(text[:end], 0, ((0, end),), tokens.between(0, end))
