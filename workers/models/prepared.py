"""A window made ready for the device, and a batch of them. Pure numpy: any thread may do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from workers.models.shapes import word_shapes
from workers.text.pieces import IntArray, Window

LongArray = npt.NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)

TOGETHER = 256  # windows that are laid end to end; bounds the memory
AREA_MULTIPLE = 8  # tokens, of long windows
SHORT_STEPS = ((32, 2), (64, 4))  # up to so many tokens: a step of 8 would be a third of a short one


@dataclass(frozen=True, slots=True)
class PreparedWindow:
    """One window as arrays. Positions count tokens from the start token, which is 0."""

    text: str
    padded: bool
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
        return padded_length(len(self.ids)) if self.padded else len(self.ids)


def padded_length(tokens: int) -> int:
    """The length that so many tokens are padded to. Theirs alone to say: another gives a window other bits."""
    step = next((step for longest, step in SHORT_STEPS if tokens <= longest), AREA_MULTIPLE)
    return -(-tokens // step) * step


def prepare_window(window: Window, *, start_id: int, end_id: int) -> PreparedWindow:
    return prepare_windows([window], start_id=start_id, end_id=end_id)[0]


def prepare_windows(
    windows: Sequence[Window], *, start_id: int, end_id: int, padded: bool = True
) -> list[PreparedWindow]:
    """One entry per window, the same for a window whatever the others are.

    Everything is computed over windows laid end to end and then cut apart: they are short, and a call of numpy costs
    more than the numbers of one of them.
    """
    prepared: list[PreparedWindow] = []
    for start in range(0, len(windows), TOGETHER):
        prepared += _prepare(windows[start : start + TOGETHER], start_id, end_id, padded)
    return prepared


def _prepare(windows: Sequence[Window], start_id: int, end_id: int, padded: bool) -> list[PreparedWindow]:
    numbers = np.arange(len(windows))
    counts = np.array([len(window.tokens) for window in windows])
    offsets = _offsets(counts)  # [N + 1] where a window's tokens begin
    rows = np.repeat(numbers, counts)  # [T]
    ids, token_starts, token_ends, words = (
        np.concatenate([getattr(window.tokens, name) for window in windows])
        for name in ("ids", "starts", "ends", "words")
    )
    is_first = np.ones(len(rows), dtype=bool)
    is_first[1:] = (words[1:] != words[:-1]) | (rows[1:] != rows[:-1])
    firsts = np.flatnonzero(is_first)  # [W]
    lasts = np.append(firsts[1:], len(rows))[: len(firsts)] - 1
    starts, ends, word_rows = token_starts[firsts], token_ends[lasts], rows[firsts]
    in_front = _offsets(np.array([len(window.text) for window in windows]))  # [N + 1] code points
    text, moved = "".join([window.text for window in windows]), in_front[word_rows]
    begins, behind = (starts + moved).astype(np.int64), (ends + moved).astype(np.int64)
    # With a token in front of each window and one behind it.
    places = np.arange(len(rows)) + 2 * rows + 1
    framed = np.full(len(rows) + 2 * len(windows), end_id, dtype=np.int32)
    framed[offsets[:-1] + 2 * numbers] = start_id
    framed[places] = ids
    shapes = np.zeros(len(framed), dtype=np.uint8)
    shapes[places] = np.repeat(word_shapes(text, begins, behind), lasts - firsts + 1)
    shift = 1 - offsets  # from the number of a token to its position in its window
    parts = zip(
        _cut(framed, offsets + 2 * np.arange(len(offsets))),
        _cut(shapes, offsets + 2 * np.arange(len(offsets))),
        *(
            _cut(array.astype(np.int32), _offsets(np.bincount(word_rows, minlength=len(windows))))
            for array in (firsts + shift[word_rows], lasts + shift[word_rows], starts, ends)
        ),
        *_sentence_positions(windows, token_starts, rows, shift, apart=int(in_front[-1]) + 1),
        strict=True,
    )
    return [PreparedWindow(window.text, padded, *arrays) for window, arrays in zip(windows, parts, strict=True)]


def _sentence_positions(
    windows: Sequence[Window], token_starts: IntArray, rows: LongArray, shift: LongArray, *, apart: int
) -> tuple[list[IntArray], list[IntArray]]:
    """Where the sentences of each window begin and end. `apart` is more than any offset: it keeps windows in order."""
    counts = np.array([len(window.sentences) for window in windows])
    spans = np.array([span for window in windows for span in window.sentences], dtype=np.int64).reshape(-1, 2)
    own = np.repeat(np.arange(len(windows)), counts)
    found = np.searchsorted(token_starts + apart * rows, spans + apart * own[:, None]) + shift[own][:, None]
    positions, at = found.astype(np.int32), _offsets(counts)
    return _cut(positions[:, 0], at), _cut(positions[:, 1], at)


def _offsets(counts: LongArray) -> LongArray:
    """[N] -> [N + 1]: where each of so many begins, end to end."""
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _cut(array: npt.NDArray[Number], offsets: LongArray) -> list[npt.NDArray[Number]]:
    """The parts between the offsets, as views."""
    edges = offsets.tolist()
    return [array[start:end] for start, end in pairwise(edges)]


@dataclass(frozen=True, slots=True)
class Collated:
    """A batch as arrays; words and sentences of all items one after the other. Columns are those of `ids`."""

    ids: npt.NDArray[np.int64]  # [B, T] zeros behind the end; [1, T] of items that lie end to end
    shapes: npt.NDArray[np.int64]  # as `ids`
    lengths: npt.NDArray[np.int64]  # [B] with special tokens
    rows: npt.NDArray[np.int64]  # [B] of `ids` that an item lies in
    columns: npt.NDArray[np.int64]  # [B] of its first token
    word_items: npt.NDArray[np.int64]  # [W]
    word_firsts: npt.NDArray[np.int64]  # [W] column
    word_lasts: npt.NDArray[np.int64]  # [W] column
    word_offsets: npt.NDArray[np.int64]  # [B + 1] where an item's words begin
    sentence_items: npt.NDArray[np.int64]  # [S]
    sentence_begins: npt.NDArray[np.int64]  # [S] column
    sentence_ends: npt.NDArray[np.int64]  # [S] column
    sentence_offsets: npt.NDArray[np.int64]  # [B + 1]


def collate(batch: Sequence[PreparedWindow]) -> Collated:
    """A row for each item. Raises ValueError if their areas differ: then an answer would depend on its neighbours."""
    areas = {item.area for item in batch}
    if len(areas) != 1:
        raise ValueError(f"the items of a batch have different areas: {sorted(areas)}")
    return _collated(batch, areas.pop(), rows=np.arange(len(batch)), columns=np.zeros(len(batch), dtype=np.int64))


def lay_end_to_end(batch: Sequence[PreparedWindow]) -> Collated:
    """All items in one row, without padding."""
    offsets = _offsets(np.array([len(item.ids) for item in batch]))
    return _collated(batch, int(offsets[-1]), rows=np.zeros(len(batch), dtype=np.int64), columns=offsets[:-1])


def _collated(batch: Sequence[PreparedWindow], width: int, *, rows: LongArray, columns: LongArray) -> Collated:
    ids = np.zeros((int(rows[-1]) + 1, width), dtype=np.int64)
    shapes = np.zeros_like(ids)
    for item, row, column in zip(batch, rows.tolist(), columns.tolist(), strict=True):
        ids[row, column : column + len(item.ids)] = item.ids
        shapes[row, column : column + len(item.ids)] = item.shapes
    words = np.array([len(item.word_firsts) for item in batch])
    sentences = np.array([len(item.sentence_begins) for item in batch])
    numbers = np.arange(len(batch))
    word_items, sentence_items = np.repeat(numbers, words), np.repeat(numbers, sentences)
    return Collated(
        ids=ids,
        shapes=shapes,
        lengths=np.array([len(item.ids) for item in batch]),
        rows=rows,
        columns=columns,
        word_items=word_items,
        word_firsts=_joined([item.word_firsts for item in batch]) + columns[word_items],
        word_lasts=_joined([item.word_lasts for item in batch]) + columns[word_items],
        word_offsets=_offsets(words),
        sentence_items=sentence_items,
        sentence_begins=_joined([item.sentence_begins for item in batch]) + columns[sentence_items],
        sentence_ends=_joined([item.sentence_ends for item in batch]) + columns[sentence_items],
        sentence_offsets=_offsets(sentences),
    )


def _joined(parts: Sequence[IntArray]) -> npt.NDArray[np.int64]:
    return np.concatenate(parts).astype(np.int64)
