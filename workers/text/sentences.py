"""Where sentences begin and end: exact half-open code point spans of a text, whatever its language or layout.

Rules and short word lists, no model. Time is linear in the text for hostile input too: every repeat in a pattern is
possessive, and every look back or ahead at a word is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from workers.text.abbreviations import (
    NAMES_AFTER_ORDINAL,
    NEVER_LAST,
    NEVER_LAST_BEFORE_NUMBER,
    OFTEN_LAST,
    SENTENCE_OPENERS,
)

Span = tuple[int, int]

LOOK_BACK = 24  # characters; longer than any abbreviation
MIN_WRAP_WIDTH = 40  # characters; a narrower column is a list or an address, not wrapped prose
MAX_WRAP_WIDTH = 120  # characters; nobody wraps wider, so a line break in wider text was meant
WRAP_SLACK = 0.85  # news wires and mail programs wrap raggedly: this share of the widest line counts as full

# A space must follow these, or "3.5" and "example.org" would be cut; the marks of other scripts stand alone.
SPACED_MARKS = ".!?…"
LONE_MARKS = "。！？｡؟۔।॥"
QUOTES = "\"'”’“‘»«›‹"  # opening marks of one language close in another; after an ender they can only close
CLOSERS = QUOTES + ")\\]}」』）】》〉］｝*_"
LONE_CLOSERS = "\"'”’)\\]}」』）】》〉］｝"  # no space tells here whether a mark opens the next sentence
GOES_ON = frozenset(",;:，、；：と")  # after a quotation: 「...。」と言った
LINE_ENDS = "\n\r\x0b\x0c\x85\u2028\u2029"

SPACED_ENDER = re.compile(
    rf"([{SPACED_MARKS}])(?<![{SPACED_MARKS}]{{2}})([{SPACED_MARKS}]*+)((?:[{CLOSERS}]|\[\d{{1,3}}\])*+)(?=\s)"
)
LONE_ENDER = re.compile(rf"[{LONE_MARKS}][{LONE_MARKS}{SPACED_MARKS}]*+[{LONE_CLOSERS}]*+")
LINE_BREAK = re.compile(rf"[{LINE_ENDS}]\s*+")
BLANK_LINE = re.compile(rf"(?>\r\n|[{LINE_ENDS}])[^\S{LINE_ENDS}]*+[{LINE_ENDS}]|[\x0c\u2029]")
NEXT_WORD = re.compile(r"[\s\"'“‘„”’«»‹›(\[{¿¡*_–—-]*+(\w{0,24})(\.?)")
LAST_WORD = re.compile(r"[\w.]*+\Z")
LINE_START = re.compile(rf"[^{LINE_ENDS}]{{0,{MAX_WRAP_WIDTH + 1}}}")
LIST_MARKER = re.compile(r"[-*•–—·◦‣▪#>|+]|\(?(?:\d{1,3}|[A-Za-z])[.)]\s")
DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")  # U.S, p.m, z.B


def split_sentences(text: str) -> list[Span]:
    """Spans in order, not overlapping, without outer whitespace; every other character lies in exactly one of them."""
    spans = []
    start = 0
    for cut in sorted([*_ender_cuts(text), *_line_cuts(text), len(text)]):
        kept = text[start:cut].lstrip()
        if kept:
            first = cut - len(kept)
            spans.append((first, first + len(kept.rstrip())))
        start = cut
    return spans


def _ender_cuts(text: str) -> Iterator[int]:
    for match in SPACED_ENDER.finditer(text):
        if _ends_sentence(text, match):
            yield match.end()
    if not text.isascii():
        for match in LONE_ENDER.finditer(text):
            if text[match.end() : match.end() + 1] not in GOES_ON:
                yield match.end()


def _ends_sentence(text: str, ender: re.Match[str]) -> bool:
    mark, more_marks, closers = ender.groups()
    following = NEXT_WORD.match(text, ender.end())
    word, dot = following.groups() if following else ("", "")
    if mark != "." or more_marks:
        # "Really?" she asked, and "well... maybe", go on; "what? no way" does not.
        return not word[:1].islower() or (not closers and mark in "!?")
    if closers and (word[:1].islower() or closers[0] in QUOTES):
        return not word[:1].islower()
    at = ender.start()
    behind_space = text.rfind(" ", max(0, at - LOOK_BACK), at) + 1  # the pattern would try every character before it
    before = text[max(behind_space, at - LOOK_BACK, 0) : at]
    if not before.isalnum():  # most often it is a word and nothing else
        before = LAST_WORD.findall(before)[0]
    number = before.rpartition(".")[2]
    if number.isdigit():
        # "1. Buy milk", "9. Juni" and "30. 9. 2015"; but "in 1990. The".
        opens_line = not text[max(0, at - LOOK_BACK) : at - len(before)].rpartition("\n")[2].strip()
        is_date = len(number) <= 2 and word[:1].isdigit()
        return len(number) > 3 or not (opens_line or is_date or word in NAMES_AFTER_ORDINAL)
    return _word_ends_sentence(before, word, word_is_dotted=bool(dot))


def _word_ends_sentence(before: str, word: str, *, word_is_dotted: bool) -> bool:
    """Whether the full stop between the words `before` and `word` is more than an abbreviation's."""
    folded = before.lower()
    if folded in NEVER_LAST or (folded in NEVER_LAST_BEFORE_NUMBER and word[:1].isdigit()):
        return False
    if word[:1].islower():
        # Lower-cased prose is cut as well; an abbreviation that nobody listed is short or dotted.
        return folded not in OFTEN_LAST and (not before or (len(before) > 2 and before.isalpha()))
    if folded in OFTEN_LAST or DOTTED.fullmatch(before) or (len(before) == 1 and before.isalpha()):
        return word in SENTENCE_OPENERS and not (len(word) == 1 and word_is_dotted)
    return True


def _line_cuts(text: str) -> Iterator[int]:
    """Blank lines, and those line breaks that were made by the writer and not by a program that wraps lines."""
    line_start = 0
    block_end = -1  # of the lines up to the next blank one
    widest = 0
    for match in LINE_BREAK.finditer(text):
        at, next_line = match.span()
        if BLANK_LINE.match(text, at):
            yield at
        else:
            if at > block_end:
                blank = BLANK_LINE.search(text, at)
                block_end = blank.start() if blank else len(text)
                lengths = [len(line.strip()) for line in text[line_start:block_end].splitlines()]
                widest = max((length for length in lengths if length <= MAX_WRAP_WIDTH), default=0)
            if not _is_wrapped(text[line_start:at].rstrip(), text, next_line, widest=widest):
                yield at
        line_start = next_line


def _is_wrapped(line: str, text: str, next_line: int, *, widest: int) -> bool:
    """Whether the sentence goes on in the next line: it had to, because its first word did not fit into this one."""
    if widest < MIN_WRAP_WIDTH or len(line) > widest or LIST_MARKER.match(text, next_line):
        return False
    following = LINE_START.match(text, next_line)
    next_words = following.group().split(maxsplit=1) if following else []
    if not following or not next_words or len(following.group()) > MAX_WRAP_WIDTH:
        return False
    full = len(line) + 1 + len(next_words[0]) > widest * WRAP_SLACK
    return full or (next_words[0][0].islower() and len(line) * 2 > widest)
