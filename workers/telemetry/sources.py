"""What is read only when somebody asks: counts that batchers and the cache keep anyway. Interfaces only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class BatchCounts(Protocol):
    """Counts of one batcher since the start, and its state of this moment."""

    @property
    def batches(self) -> int: ...
    @property
    def windows(self) -> int: ...
    @property
    def padded_tokens(self) -> int: ...
    @property
    def useful_tokens(self) -> int: ...
    @property
    def capacity_tokens(self) -> int: ...
    @property
    def forward_s(self) -> float: ...
    @property
    def failed_batches(self) -> int: ...
    @property
    def failed_windows(self) -> int: ...
    @property
    def out_of_memory(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def max_padded_tokens(self) -> int: ...


class CacheCounts(Protocol):
    """Counts of the cache since the start, and whether it is in use now."""

    @property
    def available(self) -> bool: ...
    @property
    def hits(self) -> int: ...
    @property
    def misses(self) -> int: ...
    @property
    def errors(self) -> int: ...
    @property
    def dropped(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model by its name in the settings, and what it is."""

    lane: str
    name: str
    revision: str
    precision: str
    device: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Each call may come from any thread and must not wait."""

    batchers: Mapping[str, Callable[[], BatchCounts]]  # by model, as the settings name it
    cache: Callable[[], CacheCounts]
    models: Sequence[ServedModel]
    memory: Callable[[], Mapping[str, Mapping[str, int]]]  # bytes by device and kind
    load_s: float  # that the models took
    version: str
    ready: Callable[[], bool] = lambda: True
