"""Cutting a document into windows that fit a model: whole sentences where they fit, nothing dropped, some shared.

Where a long document is cut depends on the text near the cut and not on how much stands before it. So an edit changes
the windows around it, and the ones behind it are soon the same as before, which is what makes the cache pay.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workers.text.pieces import IntArray, TextTokens, Window
from workers.text.sentences import BLANK_LINE

Span = tuple[int, int]

NO_PARAGRAPH_END = 1 << 32  # added to a rank: above every 32-bit hash
NOTHING_TO_READ = 1 << 33


@dataclass(frozen=True, slots=True)
class Units:
    """What windows are packed from: sentences, and the pieces of sentences that are too long for one window."""

    text: str
    spans: Sequence[Span]
    sizes: Sequence[int]  # [N + 1] tokens before each unit; the last is the document's number of tokens

    def size(self, first: int, after: int) -> int:
        """Tokens of the units `first` up to, without, `after`."""
        return self.sizes[after] - self.sizes[first]

    def cut_rank(self, after: int) -> int:
        """How good it is to cut between the units `after - 1` and `after`; the lowest wins. Depends on these alone."""
        start, end = self.spans[after - 1]
        if self.size(after - 1, after) == 0:
            return NOTHING_TO_READ
        noise = zlib.crc32(self.text[start:end].encode("utf-8", "surrogatepass"))
        ends_paragraph = BLANK_LINE.search(self.text, end, self.spans[after][0])
        return noise if ends_paragraph else noise + NO_PARAGRAPH_END


def cut_windows(
    text: str, tokens: TextTokens, sentences: Sequence[Span], *, max_tokens: int, overlap_tokens: int
) -> list[Window]:
    """Windows in order, which together hold every sentence; none has more than `max_tokens`.

    A window repeats whole sentences from the end of the one before, `overlap_tokens` at most. A sentence of more than
    `max_tokens` is cut between words, or inside a word that is too long itself, and its pieces stand for it in
    `Window.sentences`; pieces do not overlap. A text without tokens has no windows: there is nothing to read.
    Raises ValueError if more than `max_tokens` tokens start at one code point.
    """
    units = _units(text, tokens, sentences, max_tokens)
    if units.sizes[-1] == 0:
        return []
    if units.sizes[-1] <= max_tokens:
        return [_window(units, tokens, first=0, after=len(units.spans), shared_until=0)]
    windows = []
    first = fresh = 0  # the window starts at `first`; units before `fresh` are shared with the window before
    while True:
        after = _cut(units, first, fresh, max_tokens)
        windows.append(_window(units, tokens, first=first, after=after, shared_until=fresh))
        if after == len(units.spans):
            return windows
        first, fresh = _overlap(units, first, after, max_tokens, overlap_tokens), after


def _cut(units: Units, first: int, fresh: int, max_tokens: int) -> int:
    """Behind which unit the window that starts at `first` ends."""
    # Units without tokens behind the last that fits ride along, so no window is left with nothing to read.
    full = bisect_right(units.sizes, units.sizes[first] + max_tokens) - 1
    if full == len(units.spans):
        return full
    half = bisect_left(units.sizes, units.sizes[first] + (max_tokens + 1) // 2)
    candidates = range(full, max(half, fresh + 1) - 1, -1)  # from the back: equal sentences make long windows
    return min(candidates, key=units.cut_rank, default=full)


def _overlap(units: Units, first: int, after: int, max_tokens: int, overlap_tokens: int) -> int:
    """Where the window behind a cut at `after` starts, so that it shares units and still has room for a new one."""
    next_full = bisect_right(units.sizes, units.sizes[after])  # behind the next unit that has tokens
    earliest = max(units.sizes[after] - overlap_tokens, units.sizes[next_full] - max_tokens)
    start = max(first + 1, bisect_left(units.sizes, earliest))
    return start if start < after and units.size(start, after) else after


def _window(units: Units, tokens: TextTokens, *, first: int, after: int, shared_until: int) -> Window:
    start, end = units.spans[first][0], units.spans[after - 1][1]
    shared = units.spans[shared_until - 1][1] - start if first < shared_until else 0
    return Window(
        text=units.text[start:end],
        start=start,
        sentences=tuple((a - start, b - start) for a, b in units.spans[first:after]),
        tokens=tokens.between(start, end),
        shared=shared,
    )


def _units(text: str, tokens: TextTokens, sentences: Sequence[Span], max_tokens: int) -> Units:
    if not sentences:
        return Units(text, (), (0,))
    # A token counts for the sentence it starts in, or starts behind.
    edges = np.searchsorted(tokens.starts, [*(start for start, _ in sentences), sentences[-1][1]])
    sizes: list[int] = (edges - edges[0]).tolist()
    if int(np.diff(edges).max()) <= max_tokens:
        return Units(text, sentences, sizes)
    return _cut_long_sentences(text, tokens, sentences, edges.tolist(), max_tokens)


def _cut_long_sentences(
    text: str, tokens: TextTokens, sentences: Sequence[Span], edges: list[int], max_tokens: int
) -> Units:
    ranks = _token_ranks(tokens)
    spans: list[Span] = []
    sizes: list[int] = []
    for (start, end), token, last in zip(sentences, edges, edges[1:], strict=False):
        while last - token > max_tokens:
            sizes.append(token - edges[0])
            token = _cut_between_tokens(tokens, ranks, token, max_tokens)
            at = int(tokens.starts[token])
            spans.append((start, start + len(text[start:at].rstrip())))
            start = at
        sizes.append(token - edges[0])
        spans.append((start, end))
    return Units(text, spans, [*sizes, edges[-1] - edges[0]])


def _token_ranks(tokens: TextTokens) -> IntArray:
    """Noise that depends on a token and the two in front of it: where it is lowest, a long sentence is cut."""
    ids = tokens.ids.astype(np.uint32)
    mixed = ids * np.uint32(0x9E3779B1)
    mixed[1:] ^= ids[:-1] * np.uint32(0x85EBCA77)
    mixed[2:] ^= ids[:-2] * np.uint32(0xC2B2AE3D)
    mixed ^= mixed >> np.uint32(15)
    return (mixed * np.uint32(0x2C1B3C6D) >> np.uint32(2)).astype(np.int32)


def _cut_between_tokens(tokens: TextTokens, ranks: IntArray, token: int, max_tokens: int) -> int:
    """The number of the token that starts the next piece, `max_tokens // 2` to `max_tokens` behind `token`."""
    choices = np.arange(token + max_tokens, token + max_tokens // 2 - 1, -1)  # from the back: ties make long pieces
    choices = choices[tokens.starts[choices] != tokens.starts[choices - 1]]
    if not len(choices):
        raise ValueError(f"more than {max_tokens // 2} tokens start at one code point")
    between_words = choices[tokens.words[choices] != tokens.words[choices - 1]]
    if len(between_words):
        choices = between_words
    return int(choices[np.argmin(ranks[choices])])
