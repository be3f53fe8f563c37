"""A model whose answer for a window can be told from its text alone, so that misrouting shows; fails when told to.

A text that holds one of the marks makes the step fail that the mark names.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from zlib import crc32

import numpy as np

from schemas.base import StageName
from workers.errors import ModelError, OutOfMemory
from workers.models.base import ModelInfo
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    FoundEntity,
    FoundRelation,
    RelationsResult,
    SummaryResult,
    WindowAnswer,
)
from workers.text.pieces import TextTokens, Window

UNPREPARABLE = "UNPREPARABLE"  # prepare raises
POISON = "POISON"  # forward raises
UNDECODABLE = "UNDECODABLE"  # decode raises
NOT_A_NUMBER = "NOTANUMBER"  # a score is NaN
INCOMPLETE = "INCOMPLETE"  # the last stage is missing from the answer
MISCOUNTED = "MISCOUNTED"  # decode returns one answer too few
INSATIABLE = "INSATIABLE"  # out of memory in any batch
DEADLY = "DEADLY"  # forward raises SystemExit
MARKS = (UNPREPARABLE, POISON, UNDECODABLE, NOT_A_NUMBER, INCOMPLETE, MISCOUNTED, INSATIABLE)

ALL_STAGES = tuple(StageName)


def words_of(text: str) -> TextTokens:
    """One token per word."""
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    starts = np.array([start for start, _ in spans], dtype=np.int32)
    ends = np.array([end for _, end in spans], dtype=np.int32)
    ids = np.array([crc32(text[start:end].encode("utf-8", "surrogatepass")) % 30_000 for start, end in spans], np.int32)
    return TextTokens(ids, starts, ends, np.arange(len(spans), dtype=np.int32))


def window_of(text: str) -> Window:
    """The text as one window of one sentence."""
    return Window(text, 0, ((0, len(text)),) if text else (), words_of(text))


def answer_of(text: str, *, sentences: int = 1, stages: Sequence[StageName] = ALL_STAGES) -> WindowAnswer:
    """What the oracle says about a window with this text."""
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
    score = round(digest[0] / 255, 4)
    words = words_of(text)
    entities = tuple(
        FoundEntity(f"type-{digest.hex()[:8]}", int(start), int(end), score)
        for start, end in zip(words.starts[:2], words.ends[:2], strict=True)
    )
    relations = (FoundRelation("beside", 0, 1, score),) if len(entities) == 2 else ()
    vectors = np.tile(np.frombuffer(digest[:8], dtype=np.int8), (sentences, 1))
    whole: WindowAnswer = {
        StageName.ENTITIES: EntitiesResult(entities),
        StageName.RELATIONS: RelationsResult(entities, relations),
        StageName.CLASSIFICATION: ClassificationResult(tuple(round(b / 255, 4) for b in digest[:7]), len(words)),
        StageName.SUMMARY: SummaryResult((score,) * sentences, vectors, (len(words),) * sentences),
    }
    return {stage: whole[stage] for stage in stages}


@dataclass(frozen=True, slots=True)
class Asked:
    """A prepared window."""

    window: Window
    area: int


@dataclass
class OracleModel:
    """See the module. `fits_padded_tokens` is the device's memory; above it forward runs out of it."""

    stages: tuple[StageName, ...] = ALL_STAGES
    max_window_tokens: int = 254
    fits_padded_tokens: int | None = None
    broken: bool = False  # forward raises for every text
    failures_left: int = 0  # so many forward passes raise, then all is well
    before_forward: Callable[[], None] = lambda: None
    batches: list[tuple[Asked, ...]] = field(default_factory=list)  # every forward pass, also those that failed
    forward_threads: set[str] = field(default_factory=set)
    info: ModelInfo = field(
        default_factory=lambda: ModelInfo("oracle", "0" * 64, "fp32", frozenset(), labels={}, thresholds={})
    )

    def tokenize(self, texts: Sequence[str]) -> list[TextTokens]:
        return [words_of(text) for text in texts]

    def prepare(self, windows: Sequence[Window]) -> list[Asked]:
        _raise_if(UNPREPARABLE, windows)
        return [Asked(window, -(-(len(window.tokens) + 2) // 8) * 8) for window in windows]

    def forward(self, batch: Sequence[Asked]) -> list[Window]:
        self.batches.append(tuple(batch))
        self.forward_threads.add(threading.current_thread().name)
        self.before_forward()
        windows = [asked.window for asked in batch]
        if any(DEADLY in window.text for window in windows):
            raise SystemExit(f"deadly: {windows[0].text}")
        if self.broken:
            raise RuntimeError(f"the device is gone: {windows[0].text}")
        if self.failures_left > 0:
            self.failures_left -= 1
            raise RuntimeError("a passing fault")
        if self.fits_padded_tokens is not None and sum(asked.area for asked in batch) > self.fits_padded_tokens:
            raise OutOfMemory(f"no memory for {windows[0].text}")
        if any(INSATIABLE in window.text for window in windows):
            raise OutOfMemory("never enough")
        _raise_if(POISON, windows)
        return windows

    def decode(self, raw: list[Window], batch: Sequence[Asked]) -> list[WindowAnswer]:
        _raise_if(UNDECODABLE, raw)
        answers = [self._answer(window) for window in raw]
        return answers[:-1] if any(MISCOUNTED in window.text for window in raw) else answers

    def _answer(self, window: Window) -> WindowAnswer:
        answer = dict(answer_of(window.text, sentences=len(window.sentences), stages=self.stages))
        if INCOMPLETE in window.text:
            answer.popitem()
        if NOT_A_NUMBER in window.text:
            answer[self.stages[-1]] = ClassificationResult((float("nan"),), 1)
        return answer


def _raise_if(mark: str, windows: Sequence[Window]) -> None:
    """The message quotes the text, as real errors do: nothing downstream may repeat it."""
    for window in windows:
        if mark in window.text:
            raise ModelError(f"cannot read {window.text!r}") from ValueError(window.text)
