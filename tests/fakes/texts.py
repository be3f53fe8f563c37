"""Texts for laws: strategies that mix what a splitter, a tokenizer or an encoder can trip over, and a tokenizer."""

from __future__ import annotations

import re
from zlib import crc32

import numpy as np
from hypothesis import strategies as st

from workers.text.pieces import TextTokens

FRAGMENTS = [
    "Mr.", "U.S.", "e.g.", "3.5", "No. 5", "J. Smith", "said", "The", "http://a.b/c?d=e.f", "...", "…", "?!", "!",
    ".", ". ", "。", "」", "「", "？", "\n", "\n\n", "\r\n", "\r\n\r\n", "\r", "\u2028", "\u2029", "\x0c", "\x85", " ",
    "\t", "\xa0", "- ", "1. ", "• ", "\x00", "\u200b", "e\u0301", "👩‍👩‍👧", "🇩🇪", "नमस्ते।", "中文", "\ufeff",
    '"', "”", ")", "[1]", "a" * 50, "word " * 30,
]  # fmt: skip

any_text = st.text(max_size=300) | st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=5), max_size=60).map("".join)


def tokens_of(text: str, *, longest: int = 4) -> TextTokens:
    """Words and marks, words in pieces of up to `longest` characters, as a subword tokenizer cuts; drops NUL."""
    starts, ends, words = [], [], []
    for number, match in enumerate(re.finditer(r"\w+|[^\w\s\x00]", text)):
        for start in range(match.start(), match.end(), longest):
            starts.append(start)
            ends.append(min(start + longest, match.end()))
            words.append(number)
    ids = [crc32(text[a:b].encode("utf-8", "surrogatepass")) % 30_000 for a, b in zip(starts, ends, strict=True)]
    return TextTokens(*(np.array(values, dtype=np.int32) for values in (ids, starts, ends, words)))
