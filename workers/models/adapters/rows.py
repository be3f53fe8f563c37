"""Windows as rows of a model, and their pass: what the models that label tokens or texts have in common.

A row's padded length depends on its window alone, and a pass holds rows of one padded length. At least one place of a
row is padding: transformers drops the mask of a batch without any, and torch takes another kernel, whose bits differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from schemas.base import StageName
from workers.errors import ConfigurationError
from workers.models.adapters.checkpoint import Checkpoint
from workers.models.adapters.encoding import Row
from workers.models.base import ModelInfo
from workers.models.faults import check_finite, model_errors
from workers.models.prepared import padded_length
from workers.stages.results import WindowAnswer
from workers.text.pieces import TextTokens, Window

DECIMALS = 6
LEAST_ROOM_TOKENS = 16  # of a window in a row; the shortest window that settings allow

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PreparedRows:
    """One window, ready for the device."""

    window: Window
    rows: tuple[Row, ...]
    padded: int  # tokens of each row with padding

    @property
    def area(self) -> int:
        return self.padded * len(self.rows)


class RowModel(ABC):
    """Implements `workers.models.base.WindowModel` but for `rows_of` and `answer`. Give `forward` to one thread."""

    def __init__(self, checkpoint: Checkpoint, *, info: ModelInfo, stage: StageName, room: int) -> None:
        """`room` is how many of a window's tokens fit into one row."""
        if room < LEAST_ROOM_TOKENS:
            raise ConfigurationError(f"{info.name} reads {room} tokens at a time, too few: name another checkpoint")
        self.info = info
        self.stages = (stage,)
        self.max_window_tokens = room
        self._checkpoint = checkpoint

    @abstractmethod
    def rows_of(self, window: Window) -> list[Row]:
        """The inputs from which the window's answer is read; each fits the model."""

    @abstractmethod
    def answer(self, item: PreparedRows, logits: Sequence[Logits]) -> WindowAnswer:
        """The answer from what the model said to each row."""

    def tokenize(self, texts: Sequence[str]) -> list[TextTokens]:
        return self._checkpoint.encoder.cut(texts)

    def prepare(self, windows: Sequence[Window]) -> list[PreparedRows]:
        return [self._prepared(window) for window in windows]

    @torch.inference_mode()
    def forward(self, batch: Sequence[PreparedRows]) -> list[list[Logits]]:
        """Per item and row [labels], or [L, labels] of a model that labels tokens. Raises OutOfMemory or ModelError."""
        with model_errors():
            said: dict[int, Logits] = {}
            places = [(number, item) for number, item in enumerate(batch)]
            for padded in sorted({item.padded for item in batch}):
                rows = [(number, row) for number, item in places if item.padded == padded for row in item.rows]
                logits = self._run([row for _, row in rows], padded)
                for number in {number for number, _ in rows}:
                    said[number] = logits[[at for at, (owner, _) in enumerate(rows) if owner == number]]
            return [list(said[number]) for number in range(len(batch))]

    def decode(self, raw: Sequence[Sequence[Logits]], batch: Sequence[PreparedRows]) -> list[WindowAnswer]:
        return [self.answer(item, logits) for item, logits in zip(batch, raw, strict=True)]

    def _prepared(self, window: Window) -> PreparedRows:
        rows = tuple(self.rows_of(window))
        longest = max(len(row.ids) for row in rows) + 1
        padded = min(padded_length(longest), self._checkpoint.max_tokens)
        return PreparedRows(window, rows, padded)

    def _run(self, rows: Sequence[Row], padded: int) -> Logits:
        encoder, device = self._checkpoint.encoder, self._checkpoint.device
        ids = np.full((len(rows), padded), encoder.pad_id, dtype=np.int64)
        types = np.zeros_like(ids)
        mask = np.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row.ids)] = row.ids
            types[number, : len(row.ids)] = row.types
            mask[number, : len(row.ids)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask} | ({"token_type_ids": types} if encoder.with_types else {})
        tensors = {name: torch.from_numpy(array).to(device) for name, array in inputs.items()}
        logits = self._checkpoint.model(**tensors).logits.float()
        check_finite(logits)
        said: Logits = logits.cpu().numpy()
        return said


def pieces(tokens: int, room: int) -> list[tuple[int, int]]:
    """Where a window that has more tokens than a row has room for is read in: overlapping parts that hold all of it."""
    if tokens <= room:
        return [(0, tokens)]
    step = room - room // 4
    starts = [*range(0, tokens - room, step), tokens - room]
    return [(start, start + room) for start in starts]


def weighted_mean(item: PreparedRows, logits: Sequence[Logits]) -> npt.NDArray[np.float64]:
    """[labels] of a window in several rows: a row counts by its number of tokens."""
    weights = np.array([max(row.count, 1) for row in item.rows], dtype=np.float64)
    mean: npt.NDArray[np.float64] = weights @ np.asarray(logits, dtype=np.float64) / weights.sum()
    return mean


def rounded(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.round(values, DECIMALS).tolist())
