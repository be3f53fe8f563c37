"""What a model is to the rest of the system: it cuts, prepares, runs a forward pass and decodes. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

from schemas.base import StageName
from workers.stages.results import WindowAnswer
from workers.text.pieces import TextTokens, Window


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model this is, to the last bit."""

    name: str
    revision: str  # SHA-256 over weights, configuration and tokenizer, hexadecimal
    precision: str  # fp32, bf16, fp16, int8
    languages: frozenset[str]  # ISO 639 codes it was made for; empty if it does not care
    labels: dict[StageName, tuple[str, ...]] = field(default_factory=dict)  # types or labels it can give, per stage
    thresholds: dict[StageName, dict[str, float]] = field(default_factory=dict)
    independent_labels: bool = False  # whether several labels may be true at once: a sigmoid each, not one softmax
    padded: bool = True  # whether items of a batch have one padded length; else they lie end to end, of any lengths
    device: str | None = "cpu"  # where forward passes run, one at a time; None: elsewhere, beside all others


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A model's word that it has no answer for this window, and that asking again would not help: a dead letter."""

    code: str
    detail: str  # quotes no text
    attempts: int = 1  # how often it was asked for


@runtime_checkable
class Closable(Protocol):
    """A model that holds something besides memory."""

    def close(self) -> None:
        """Any thread, more than once. A forward pass under way ends soon; there is no other after it."""
        ...


class Prepared(Protocol):
    """One window, ready for the device."""

    @property
    def area(self) -> int:
        """Length in tokens, padded where `ModelInfo.padded`. Then the items of a batch have equal area: padding never
        depends on neighbours."""
        ...


PreparedT = TypeVar("PreparedT", bound=Prepared)
RawT = TypeVar("RawT")


class WindowModel(Protocol[PreparedT, RawT]):
    """A model that answers one or more stages for a window in one pass.

    The answer for a window is the same bits whatever else is in its batch, on a CPU; the same to rounding on a GPU.
    """

    @property
    def info(self) -> ModelInfo: ...

    @property
    def stages(self) -> tuple[StageName, ...]: ...

    @property
    def max_window_tokens(self) -> int:
        """The most tokens a window may have, special tokens not counted."""
        ...

    def tokenize(self, texts: Sequence[str]) -> list[TextTokens]:
        """CPU, any thread. One entry per text."""
        ...

    def prepare(self, windows: Sequence[Window]) -> list[PreparedT]:
        """CPU, any thread. One entry per window."""
        ...

    def forward(self, batch: Sequence[PreparedT]) -> RawT:
        """Device thread only. All items have the same `area` if they are padded.

        Raises OutOfMemory, ModelError or DependencyError.
        """
        ...

    def decode(self, raw: RawT, batch: Sequence[PreparedT]) -> Sequence[WindowAnswer | Unanswered]:
        """CPU, any thread. One answer per item, in order, with an entry for each of `stages`."""
        ...
