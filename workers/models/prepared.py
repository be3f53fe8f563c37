"""A window made ready for the device, and a batch of them. Pure numpy: any thread may do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.models.shapes import word_shapes
from workers.text.pieces import IntArray, Window

AREA_MULTIPLE = 16  # tokens; other lengths of one window give other bits, so its length must be its own affair


@dataclass(frozen=True, slots=True)
class PreparedWindow:
    """One window as arrays. Positions count tokens from the start token, which is 0."""

    text: str
    ids: IntArray  # [L] with start and end token
    shapes: npt.NDArray[np.uint8]  # [L]
    word_firsts: IntArray  # [W] position of a word's first subword
    word_lasts: IntArray  # [W] position of its last
    word_starts: IntArray  # [W] code point where the word starts
    word_ends: IntArray  # [W] code point after it
    sentence_begins: IntArray  # [S] position of the first token
    sentence_ends: IntArray  # [S] position after the last

    @property
    def area(self) -> int:
        return -(-len(self.ids) // AREA_MULTIPLE) * AREA_MULTIPLE


def prepare_window(window: Window, *, start_id: int, end_id: int) -> PreparedWindow:
    tokens = window.tokens
    count = len(tokens)
    first_flags = np.ones(count, dtype=bool)
    first_flags[1:] = tokens.words[1:] != tokens.words[:-1]
    firsts = np.flatnonzero(first_flags)
    lasts = np.append(firsts[1:], count)[: len(firsts)] - 1
    starts, ends = tokens.starts[firsts], tokens.ends[lasts]
    shapes = np.zeros(count + 2, dtype=np.uint8)
    shapes[1:-1] = np.repeat(word_shapes(window.text, starts, ends), lasts - firsts + 1)
    sentences = np.asarray(window.sentences, dtype=np.int32).reshape(-1, 2)
    return PreparedWindow(
        text=window.text,
        ids=np.concatenate([[start_id], tokens.ids, [end_id]]).astype(np.int32),
        shapes=shapes,
        word_firsts=(firsts + 1).astype(np.int32),
        word_lasts=(lasts + 1).astype(np.int32),
        word_starts=starts,
        word_ends=ends,
        sentence_begins=(np.searchsorted(tokens.starts, sentences[:, 0]) + 1).astype(np.int32),
        sentence_ends=(np.searchsorted(tokens.starts, sentences[:, 1]) + 1).astype(np.int32),
    )


@dataclass(frozen=True, slots=True)
class Collated:
    """A batch as arrays; words and sentences of all items end to end."""

    ids: npt.NDArray[np.int64]  # [B, T] zeros behind the end
    shapes: npt.NDArray[np.int64]  # [B, T]
    lengths: npt.NDArray[np.int64]  # [B] with special tokens
    word_rows: npt.NDArray[np.int64]  # [W]
    word_firsts: npt.NDArray[np.int64]  # [W]
    word_lasts: npt.NDArray[np.int64]  # [W]
    word_offsets: npt.NDArray[np.int64]  # [B + 1] where an item's words begin
    sentence_rows: npt.NDArray[np.int64]  # [S]
    sentence_begins: npt.NDArray[np.int64]  # [S]
    sentence_ends: npt.NDArray[np.int64]  # [S]
    sentence_offsets: npt.NDArray[np.int64]  # [B + 1]


def collate(batch: Sequence[PreparedWindow]) -> Collated:
    """Raises ValueError if the items' areas differ: then an answer would depend on its neighbours."""
    areas = {item.area for item in batch}
    if len(areas) != 1:
        raise ValueError(f"the items of a batch have different areas: {sorted(areas)}")
    ids = np.zeros((len(batch), areas.pop()), dtype=np.int64)
    shapes = np.zeros_like(ids)
    for row, item in enumerate(batch):
        ids[row, : len(item.ids)] = item.ids
        shapes[row, : len(item.ids)] = item.shapes
    words = np.array([len(item.word_firsts) for item in batch])
    sentences = np.array([len(item.sentence_begins) for item in batch])
    return Collated(
        ids=ids,
        shapes=shapes,
        lengths=np.array([len(item.ids) for item in batch]),
        word_rows=np.repeat(np.arange(len(batch)), words),
        word_firsts=_joined([item.word_firsts for item in batch]),
        word_lasts=_joined([item.word_lasts for item in batch]),
        word_offsets=np.concatenate([[0], np.cumsum(words)]),
        sentence_rows=np.repeat(np.arange(len(batch)), sentences),
        sentence_begins=_joined([item.sentence_begins for item in batch]),
        sentence_ends=_joined([item.sentence_ends for item in batch]),
        sentence_offsets=np.concatenate([[0], np.cumsum(sentences)]),
    )


def _joined(parts: Sequence[IntArray]) -> npt.NDArray[np.int64]:
    return np.concatenate(parts).astype(np.int64)
