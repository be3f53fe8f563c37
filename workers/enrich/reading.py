"""How a document is read: in which language, and by each model in windows of its own.

The texts of an epoch are tokenized in one call per model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from schemas import Document, FailedStep, Language
from workers.enrich.outcome import Failed, Failure, Tombstone
from workers.settings import WindowSettings
from workers.text.language import UNDETERMINED, Detected, detect_language, readable_by
from workers.text.pieces import TextTokens, Window
from workers.text.sentences import split_sentences
from workers.text.windows import cut_windows
from workers.transport.base import IncomingRecord


@dataclass(frozen=True, slots=True)
class Accepted:
    """A record that holds a valid document."""

    record: IncomingRecord
    document: Document


@dataclass(frozen=True, slots=True)
class Cut:
    """A document as one model reads it."""

    windows: tuple[Window, ...] = ()  # none if the model does not read the language, or the text has no token
    readable: bool = True  # whether the model reads the language


@dataclass(frozen=True, slots=True)
class Reading:
    """A valid document, the language it is in, and what each model reads of it."""

    record: IncomingRecord
    document: Document
    language: Language
    detected: Detected
    sentences: tuple[tuple[int, int], ...]
    cuts: Mapping[str, Cut]  # by lane

    @property
    def tokens(self) -> int:
        """Of all windows of all models."""
        return sum(len(window.tokens) for cut in self.cuts.values() for window in cut.windows)


class Tokenizer(Protocol):
    def tokenize(self, texts: Sequence[str]) -> list[TextTokens]: ...


@dataclass(frozen=True, slots=True)
class Cutter:
    """How one model wants its texts."""

    tokenizer: Tokenizer
    languages: frozenset[str]  # what the model reads; empty if it reads anything
    window: WindowSettings

    def cut_all(self, readings: Sequence[Reading]) -> list[Cut | Failure]:
        """One entry per reading; one that cannot be cut fails alone."""
        readable = [readable_by(self.languages, reading.detected) for reading in readings]
        to_cut = [reading.document.text for reading, ok in zip(readings, readable, strict=True) if ok]
        tokens = iter(self.tokens_of(to_cut))
        return [
            self.cut(reading, next(tokens)) if ok else Cut(readable=False)
            for reading, ok in zip(readings, readable, strict=True)
        ]

    def tokens_of(self, texts: Sequence[str]) -> list[TextTokens | None]:
        """None for a text that cannot be tokenized. All in one call; one by one only if that fails."""
        try:
            return list(self.tokenizer.tokenize(texts))
        except Exception:  # noqa: BLE001  boundary of a record: its neighbours must not suffer
            return [None] if len(texts) == 1 else [own for text in texts for own in self.tokens_of([text])]

    def cut(self, reading: Reading, tokens: TextTokens | None) -> Cut | Failure:
        window = self.window
        if tokens is None:
            return Failure(FailedStep.SEGMENT, "tokenizer_error", "cannot be tokenized", reading.document.id)
        try:
            windows = cut_windows(
                reading.document.text,
                tokens,
                reading.sentences,
                max_tokens=window.max_tokens,
                overlap_tokens=window.overlap_tokens,
            )
        except Exception as error:  # noqa: BLE001  boundary of a record: its neighbours must not suffer
            return _failure(reading.document, error)
        return Cut(tuple(windows))


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes readings of accepted records."""

    cutters: Mapping[str, Cutter]  # by lane

    def read(self, items: Sequence[Accepted | Failed | Tombstone]) -> list[Reading | Failed | Tombstone]:
        """Every accepted record becomes a reading, or fails alone; the others are passed on. Order is kept."""
        read = [self.begin(item) if isinstance(item, Accepted) else item for item in items]
        for lane, cutter in self.cutters.items():
            cuts = iter(cutter.cut_all([item for item in read if isinstance(item, Reading)]))
            read = [_joined(item, lane, next(cuts)) if isinstance(item, Reading) else item for item in read]
        return read

    def begin(self, item: Accepted) -> Reading | Failed:
        """The language and the sentences; the cuts are still to come."""
        given = item.document.language if item.document.language != UNDETERMINED else None
        try:
            detected = Detected(given, 1.0) if given else detect_language(item.document.text)
            language = Language(code=detected.code, score=min(detected.score, 1.0), given=given is not None)
            sentences = tuple(split_sentences(item.document.text))
        except Exception as error:  # noqa: BLE001  boundary of a record: its neighbours must not suffer
            return Failed(item.record, _failure(item.document, error))
        return Reading(item.record, item.document, language, detected, sentences, cuts={})


def _joined(reading: Reading, lane: str, cut: Cut | Failure) -> Reading | Failed:
    if isinstance(cut, Failure):
        return Failed(reading.record, cut)
    return replace(reading, cuts={**reading.cuts, lane: cut})


def _failure(document: Document, error: Exception) -> Failure:
    """The type of the error alone: its message may quote the document."""
    return Failure(FailedStep.SEGMENT, "internal_error", type(error).__name__, document.id)
