"""What a batcher gives back: an answer or a failure per window, and what it cost.

Nothing here may quote a document: a failure names the kind of an error, never its message.
"""

from __future__ import annotations

from dataclasses import dataclass

from workers.errors import ModelError
from workers.stages.results import WindowAnswer

MODEL_ERROR = "model_error"
OUT_OF_MEMORY = "out_of_memory"


class BadAnswer(ModelError):
    """What the model returned is not an answer. Its message is ours and quotes no text."""


@dataclass(frozen=True, slots=True)
class ModelFailed:
    """A window that the model cannot answer, alone or in company."""

    code: str  # model_error or out_of_memory
    detail: str  # type of the error, or which check failed
    attempts: int  # how often it was tried
    smallest_failing: int  # windows in the smallest batch that failed with it; 1: it failed alone


@dataclass(frozen=True, slots=True)
class BatchTiming:
    """What the windows of one call cost. A batch shared with other calls is charged by share of its windows."""

    queue_s: float = 0.0  # from ready until the first of them was on the device
    prepare_s: float = 0.0
    forward_s: float = 0.0
    decode_s: float = 0.0
    batches: int = 0
    windows: int = 0
    padded_tokens: int = 0
    useful_tokens: int = 0


@dataclass(frozen=True, slots=True)
class AnswerBatch:
    """One entry per window, in the order in which they were asked."""

    answers: tuple[WindowAnswer | ModelFailed, ...]
    timing: BatchTiming


@dataclass(frozen=True, slots=True)
class BatcherStats:
    """Counts since the start, and the state of this moment."""

    batches: int = 0
    windows: int = 0
    padded_tokens: int = 0
    useful_tokens: int = 0
    capacity_tokens: int = 0  # padded, that these batches could have held
    forward_s: float = 0.0
    decode_s: float = 0.0
    failed_batches: int = 0
    failed_windows: int = 0
    out_of_memory: int = 0  # batches that did not fit
    waiting: int = 0  # windows ready and not yet on the device
    waiting_tokens: int = 0  # padded, of them
    max_padded_tokens: int = 0  # the budget in force; below the setting after an out-of-memory
