"""A Hugging Face model's own fast tokenizer: texts to tokens with offsets into the original, and tokens back to text.

Works on `tokenizer.json` alone; knows no model. Nothing is cut short.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from tokenizers import Tokenizer

from workers.errors import ConfigurationError
from workers.text.pieces import IntArray, TextTokens

_SURROGATES = re.compile("[\ud800-\udfff]")
_BREAKS = re.compile(r"<n>|[\s\x00-\x1f\x7f-\x9f]+")  # Pegasus writes a line end as <n>
_PROBE = "a"


class Seq2SeqTokenizer:
    """Safe to call from several threads."""

    def __init__(self, definition: bytes, *, prefix: str = "", special_ids: Iterable[int] = ()) -> None:
        """Raises ConfigurationError if `definition` is not a tokenizer."""
        try:
            self._tokenizer = Tokenizer.from_buffer(definition)
        except Exception as error:  # the library raises nothing narrower
            raise ConfigurationError("tokenizer.json is not a fast tokenizer: replace it") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # "</s>" in a document is text
        # A unigram vocabulary has "</s>" as a piece like any other: what a text spells out is made unknown below.
        self._forbidden = np.array(sorted(set(special_ids)), dtype=np.int32)
        self._unknown = next(filter(None, map(self._tokenizer.token_to_id, ("<unk>", "[UNK]"))), 0)
        before, after = self._frame()
        # Its space belongs to the first word of the text.
        self.before = np.array([*before, *self._ids(prefix.rstrip())], dtype=np.int32)
        self.after = np.array(after, dtype=np.int32)

    def cut(self, texts: Sequence[str]) -> list[TextTokens]:
        """One entry per text, without special tokens and prefix. A token does not begin with white space."""
        # A lone surrogate cannot enter Rust; one replacement character in its place keeps every offset.
        readable = [_SURROGATES.sub("\ufffd", text) for text in texts]
        found = self._tokenizer.encode_batch(readable, add_special_tokens=False)
        return [
            _tokens(text, self._allowed(encoding.ids), encoding.offsets, encoding.word_ids)
            for text, encoding in zip(readable, found, strict=True)
        ]

    def write(self, ids: Sequence[int]) -> str:
        """One line of text, without special tokens and control characters."""
        text = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return " ".join(_BREAKS.sub(" ", text).split())

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids) if text else []

    def _frame(self) -> tuple[list[int], list[int]]:
        """The special tokens before and behind a text."""
        bare = self._ids(_PROBE)
        framed = list(self._tokenizer.encode(_PROBE, add_special_tokens=True).ids)
        for at in range(len(framed) - len(bare) + 1):
            if framed[at : at + len(bare)] == bare:
                return framed[:at], framed[at + len(bare) :]
        raise ConfigurationError("tokenizer.json changes a text when it adds special tokens: it is not supported")

    def _allowed(self, ids: Sequence[int]) -> IntArray:
        found = np.asarray(ids, dtype=np.int32)
        return np.where(np.isin(found, self._forbidden), np.int32(self._unknown), found)


def _tokens(text: str, ids: IntArray, offsets: Sequence[tuple[int, int]], words: Sequence[int | None]) -> TextTokens:
    """Sentences are found by the tokens that start in them, so the space before a word must not count as its start."""
    starts = []
    for start, end in offsets:
        while start < end and text[start].isspace():
            start += 1
        starts.append(start)
    return TextTokens(
        ids=ids,
        starts=np.maximum.accumulate(np.asarray(starts, dtype=np.int32)),  # a normalizer may map two tokens back to one
        ends=np.asarray([end for _, end in offsets], dtype=np.int32),
        words=np.asarray([word or 0 for word in words], dtype=np.int32),
    )
