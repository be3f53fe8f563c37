"""Written summary: from what a model wrote about each window to one text of bounded length, and what in it to doubt.

Pure: whether the texts of many windows are summarized once more is decided here, but done elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from schemas import Summary
from workers.stages.results import WrittenSummary
from workers.text.sentences import CLOSERS, LONE_MARKS, SPACED_MARKS, split_sentences

ENDED = re.compile(rf"[{SPACED_MARKS}{LONE_MARKS}][{CLOSERS}]*+\Z")
WORD = re.compile(r"\w+(?:[.,:'’\-]\w+)*")
CUT_MARK = "…"
SHRINKS = 0.75  # a pass that leaves more than this of its text would be followed by many that do as little


@dataclass(frozen=True, slots=True)
class Merged:
    """A summary, how many of the sentences that were written found no room in it, and whether its only one is cut."""

    summary: Summary
    left_out: int = 0
    cut: bool = False


def joined(results: Sequence[WrittenSummary]) -> str:
    """All that was written, in the order of the windows."""
    return " ".join(sentence for sentences in _sentences(results) for sentence in sentences)


def asks_for_another_pass(before: int, results: Sequence[WrittenSummary], *, max_characters: int) -> bool:
    """Whether what was written about a text of `before` code points is to be summarized again: it is too long, it has
    several parts, so that there is something to bring together, and the pass that gave it made it clearly shorter."""
    after = len(joined(results))
    return len(results) > 1 and max_characters < after <= SHRINKS * before


def merge_written(results: Sequence[WrittenSummary], *, max_characters: int) -> Merged | None:
    """Whole sentences in the order of the windows, or None if nothing was written. Never longer than `max_characters`.

    Where there is no room for all, every window gives its first sentence before one gives its second. A sentence said
    before is not said again. If not one sentence fits, the first is cut between words and marked as cut.
    """
    sentences = _sentences(results)
    ranked = sorted((rank, window) for window, found in enumerate(sentences) for rank in range(len(found)))
    if not ranked:
        return None
    chosen: list[tuple[int, int]] = []
    room = max_characters + 1  # the first has no space in front
    for rank, window in ranked:
        size = len(sentences[window][rank]) + 1
        if size <= room:
            chosen.append((window, rank))
            room -= size
    text = " ".join(sentences[window][rank] for window, rank in sorted(chosen))
    if not chosen:
        text = _cut(sentences[ranked[0][1]][ranked[0][0]], max_characters)
    left_out = len(ranked) - max(1, len(chosen))
    return Merged(Summary(text=text, kind="abstractive", sentences=()), left_out, cut=not chosen)


def count_unsupported(summary: str, text: str) -> int:
    """How many different numbers and names of the summary are nowhere in the text.

    A name is a word with a capital that does not start its sentence. A hint for a reader and no more: what is said
    about a name that is there may be wrong all the same, and a number may be written in another way.
    """
    known = {match.group().casefold() for match in WORD.finditer(text)}
    doubtful = set()
    for start, end in split_sentences(summary):
        for at, match in enumerate(WORD.finditer(summary, start, end)):
            word = match.group()
            is_name = at > 0 and any(letter.isupper() for letter in word)
            if (is_name or any(letter.isdigit() for letter in word)) and word.casefold() not in known:
                doubtful.add(word.casefold())
    return len(doubtful)


def _sentences(results: Sequence[WrittenSummary]) -> list[list[str]]:
    """The sentences of each window, each of them once. One that was stopped in the middle is left out, if it is not the
    only one of its window."""
    seen: set[str] = set()
    found = []
    for result in results:
        sentences = [result.text[start:end] for start, end in split_sentences(result.text)]
        if len(sentences) > 1 and not result.finished and not ENDED.search(sentences[-1]):
            sentences.pop()
        fresh = [sentence for sentence in dict.fromkeys(sentences) if sentence.casefold() not in seen]
        seen.update(sentence.casefold() for sentence in fresh)
        found.append(fresh)
    return found


def _cut(sentence: str, max_characters: int) -> str:
    room = max_characters - len(CUT_MARK)
    whole_words = sentence[: room + 1].rpartition(" ")[0]
    return (whole_words or sentence[:room]).rstrip() + CUT_MARK
