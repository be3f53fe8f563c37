"""A checkpoint's own tokenizer: texts to tokens with offsets into the original, tokens to rows with special tokens.

Nothing is cut short, and no text becomes a special token by spelling one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from workers.text.pieces import IntArray, TextTokens

SURROGATES = re.compile("[\ud800-\udfff]")
PROBE = "a"
SPACE = "\u2581"  # a piece of its own before a letter without piece; at the start of a text it would lie on that letter


@dataclass(frozen=True, slots=True)
class Row:
    """One input of the model: tokens of a window among special tokens, and what it is compared with, if anything."""

    ids: IntArray  # [L]
    types: IntArray  # [L] zeros where the model has no token types
    at: int  # position of the first token of the window
    first: int  # its number in the window
    count: int  # tokens of the window


@dataclass(frozen=True, slots=True)
class Frame:
    """The special tokens before, between and behind the parts of an input, and the token types of its parts."""

    gaps: tuple[IntArray, ...]  # one more than there are parts
    gap_types: tuple[IntArray, ...]
    part_types: tuple[int, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.gaps))

    def around(self, parts: Sequence[IntArray], *, first: int) -> Row:
        """`first` is the number of the first part's first token in its window."""
        ids, types = [self.gaps[0]], [self.gap_types[0]]
        for part, kind, gap, gap_types in zip(parts, self.part_types, self.gaps[1:], self.gap_types[1:], strict=True):
            ids += [part, gap]
            types += [np.full(len(part), kind, dtype=np.int32), gap_types]
        return Row(np.concatenate(ids), np.concatenate(types), len(self.gaps[0]), first, len(parts[0]))


class TextEncoder:
    """Safe to call from several threads."""

    def __init__(
        self, definition: str, *, pad_id: int, unknown_id: int | None, special_ids: Iterable[int], with_types: bool
    ) -> None:
        """`definition` is a `tokenizer.json`."""
        self._tokenizer = Tokenizer.from_str(definition)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # "[SEP]" in a document is text
        self.pad_id, self.unknown_id, self.with_types = pad_id, unknown_id, with_types
        # A unigram vocabulary has "</s>" as a piece like any other: what a text spells out is made unknown below.
        self._forbidden = np.array(sorted(set(special_ids) - {unknown_id}), dtype=np.int32)
        self.one = _frame(self._tokenizer.encode(PROBE), parts=1)
        self.two = _frame(self._tokenizer.encode(PROBE, PROBE), parts=2)
        # Whether the vocabulary tells a piece inside a word from one at its start.
        self.marks_subwords = bool(getattr(self._tokenizer.model, "continuing_subword_prefix", None))

    def cut(self, texts: Sequence[str]) -> list[TextTokens]:
        """One entry per text, without special tokens. A token does not begin with white space."""
        # A lone surrogate cannot enter Rust; one replacement character in its place keeps every offset.
        readable = [SURROGATES.sub("\ufffd", text) for text in texts]
        found = self._tokenizer.encode_batch(readable, add_special_tokens=False)
        return [self._tokens(text, encoding) for text, encoding in zip(readable, found, strict=True)]

    def piece_lengths(self, ids: IntArray) -> npt.NDArray[np.int64]:
        """Characters of each token as the vocabulary spells it, marks of subwords included."""
        return np.array([len(self._tokenizer.id_to_token(number) or "") for number in ids.tolist()], dtype=np.int64)

    def _tokens(self, text: str, encoding: Encoding) -> TextTokens:
        ids = np.asarray(encoding.ids, dtype=np.int32)
        if self.unknown_id is not None:
            ids = np.where(np.isin(ids, self._forbidden), np.int32(self.unknown_id), ids)
        words = encoding.word_ids
        spans = [
            (start, start) if piece == SPACE else (_past_space(text, start, end), end)
            for piece, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True)
        ]
        return TextTokens(
            ids=ids,
            starts=np.asarray([start for start, _ in spans], dtype=np.int32),
            ends=np.asarray([end for _, end in spans], dtype=np.int32),
            words=np.asarray(range(len(ids)) if None in words else words, dtype=np.int32),
        )


def _past_space(text: str, start: int, end: int) -> int:
    while start < end and text[start].isspace():
        start += 1
    return start


def _frame(encoding: Encoding, *, parts: int) -> Frame:
    """Taken from what the tokenizer puts around one or two short texts."""
    owners = [-1 if owner is None else owner for owner in encoding.sequence_ids]
    gaps, gap_types, part_types, at = [], [], [], 0
    for part in (*range(parts), None):
        start = len(owners) if part is None else owners.index(part)
        gaps.append(np.asarray(encoding.ids[at:start], dtype=np.int32))
        gap_types.append(np.asarray(encoding.type_ids[at:start], dtype=np.int32))
        if part is not None:
            part_types.append(encoding.type_ids[start])
            at = start + owners.count(part)
    return Frame(tuple(gaps), tuple(gap_types), tuple(part_types))
