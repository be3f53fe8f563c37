"""Cuts texts into the trunk's subwords, with offsets into the original text. Owns no policy: nothing is cut short."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise

import numpy as np
import orjson
from tokenizers import Tokenizer

from workers.models.wordbook import WordBook
from workers.text.pieces import TextTokens

_SURROGATES = re.compile("[\ud800-\udfff]")


def _reads_by_word(definition: bytes) -> bool:
    """Whether it is BERT's own: then what it makes of a word does not depend on the words around it."""
    parts = orjson.loads(definition)
    kinds = [(parts.get(name) or {}).get("type") for name in ("normalizer", "pre_tokenizer")]
    return kinds == ["BertNormalizer", "BertPreTokenizer"]


class SubwordTokenizer:
    """The trunk's own tokenizer. Safe to call from several threads."""

    def __init__(self, definition: bytes) -> None:
        self._tokenizer = Tokenizer.from_buffer(definition)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        added = self._tokenizer.get_added_tokens_decoder().values()
        self._added = [token.content for token in added]  # found in a text before it is cut into words
        by_word = _reads_by_word(definition) and not any(token.normalized for token in added)
        self._words = WordBook(self._encode) if by_word else None
        self.start_id = self._special("[CLS]")
        self.end_id = self._special("[SEP]")
        self.unknown_id = self._special("[UNK]")

    def _special(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise ValueError(f"the tokenizer has no {token}")
        return int(number)

    def vocabulary(self) -> dict[str, int]:
        """All word pieces, special tokens among them, by number."""
        return self._tokenizer.get_vocab(with_added_tokens=True)

    def cut(self, texts: Sequence[str]) -> list[TextTokens]:
        """One entry per text, without special tokens. What the vocabulary drops (control characters) has no token."""
        # A lone surrogate cannot enter Rust; one replacement character in its place keeps every offset.
        readable = [text if text.isascii() else _SURROGATES.sub("\ufffd", text) for text in texts]
        if self._words is None or any(token in text for text in readable for token in self._added):
            return self._encode(readable)
        return self._words.cut(readable)

    def _encode(self, texts: Sequence[str]) -> list[TextTokens]:
        """All numbers become arrays in one go: most texts are single words (see `wordbook`)."""
        encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        edges = [0, *accumulate(map(len, encodings))]
        offsets = np.array([*chain.from_iterable(one.offsets for one in encodings)], dtype=np.int32).reshape(-1, 2)
        ids, words = (
            np.array([*chain.from_iterable(getattr(one, name) for one in encodings)], dtype=np.int32)
            for name in ("ids", "word_ids")
        )
        columns = (ids, offsets[:, 0].copy(), offsets[:, 1].copy(), words)
        return [TextTokens(*(column[start:end] for column in columns)) for start, end in pairwise(edges)]
