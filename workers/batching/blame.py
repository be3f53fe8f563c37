"""Finds who is guilty when a batch fails: it is halved until the guilty item is alone, and the innocent are answered.

Knows neither threads nor models. Errors become small values at once: a traceback would keep the failed batch's tensors
alive, and a message may quote the document.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from workers.batching.answers import MODEL_ERROR, OUT_OF_MEMORY, BadAnswer, ModelFailed
from workers.errors import DependencyError, OutOfMemory

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

MIN_ATTEMPTS = 2  # a passing fault must not cost a document: nobody is blamed for one failure


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a batch failed."""

    code: str
    detail: str


def cause_of(error: Exception) -> Cause:
    """The kind of the error. Messages are dropped, except those of our own checks."""
    code = OUT_OF_MEMORY if isinstance(error, OutOfMemory | MemoryError) else MODEL_ERROR
    if isinstance(error, BadAnswer):
        return Cause(code, str(error))
    origin = error.__cause__
    return Cause(code, type(error).__name__ + (f" from {type(origin).__name__}" if origin else ""))


@dataclass(frozen=True, slots=True)
class _Part:
    start: int
    end: int
    attempt: int


def attempt(items: Sequence[ItemT], run: Callable[[Sequence[ItemT]], Sequence[ResultT]]) -> Sequence[ResultT] | Cause:
    """Run once. A DependencyError is nobody's guilt and passes through."""
    try:
        results = run(items)
        if len(results) != len(items):
            raise BadAnswer(f"{len(results)} results for {len(items)} windows")
    except DependencyError:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary of a batch: whatever a model raises is blamed on a text
        return cause_of(error)
    return results


def answer_each(
    items: Sequence[ItemT],
    run: Callable[[Sequence[ItemT]], Sequence[ResultT]],
    *,
    failed: bool = False,
    on_failure: Callable[[Sequence[ItemT], Cause], None] = lambda part, cause: None,
) -> list[ResultT | ModelFailed]:
    """One result or failure per item, in order. Costs about `2 x log2(n)` runs per guilty item.

    `failed` says that all of them together failed once already. `on_failure` hears of every run that fails here.
    """
    outcomes: dict[int, ResultT | ModelFailed] = {}
    whole = _Part(0, len(items), attempt=1)
    parts = (_next_parts(whole) if failed else [whole]) if items else []
    while parts:
        part = parts.pop()
        results = attempt(items[part.start : part.end], run)
        if not isinstance(results, Cause):
            outcomes.update(enumerate(results, start=part.start))
            continue
        on_failure(items[part.start : part.end], results)
        if part.end - part.start == 1 and part.attempt >= MIN_ATTEMPTS:
            outcomes[part.start] = ModelFailed(results.code, results.detail, part.attempt, smallest_failing=1)
        else:
            parts.extend(_next_parts(part))
    return [outcomes[index] for index in range(len(items))]


def too_large(failed: Sequence[tuple[Sequence[ItemT], Cause]], guilty: Sequence[ItemT]) -> list[Sequence[ItemT]]:
    """Of the runs that failed, those that were out of memory although each of their items fits. An item that never fits
    says nothing about batches: making them smaller for it would slow all others."""
    known = set(map(id, guilty))
    return [items for items, cause in failed if cause.code == OUT_OF_MEMORY and not known & set(map(id, items))]


def _next_parts(failed: _Part) -> list[_Part]:
    """What to try after this part failed: its halves, the first one last; a single item once more alone."""
    middle = (failed.start + failed.end + 1) // 2
    halves = [
        _Part(middle, failed.end, failed.attempt + 1),
        _Part(failed.start, middle, failed.attempt + 1),
    ]
    return [half for half in halves if half.start < half.end]
