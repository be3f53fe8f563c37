"""How a document is read: in which language, and in which windows. The texts of an epoch are tokenized in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
class Reading:
    """A valid document, the language it is in, and the windows it is read in."""

    record: IncomingRecord
    document: Document
    language: Language
    windows: tuple[Window, ...]  # none if the model does not read the language, or the text has no token
    readable: bool  # whether the model reads the language


class Tokenizer(Protocol):
    def tokenize(self, texts: Sequence[str]) -> list[TextTokens]: ...


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes readings of accepted records."""

    tokenizer: Tokenizer
    languages: frozenset[str]  # what the model reads; empty if it reads anything
    window: WindowSettings

    def read(self, items: Sequence[Accepted | Failed | Tombstone]) -> list[Reading | Failed | Tombstone]:
        """Every accepted record becomes a reading, or fails alone; the others are passed on. Order is kept."""
        begun = [self.begin(item) if isinstance(item, Accepted) else item for item in items]
        to_cut = [item for item in begun if isinstance(item, Reading) and item.readable]
        tokens = iter(self.tokenizer.tokenize([item.document.text for item in to_cut]))
        return [self.cut(item, next(tokens)) if isinstance(item, Reading) and item.readable else item for item in begun]

    def begin(self, item: Accepted) -> Reading | Failed:
        """The language; the windows are still to come."""
        given = item.document.language if item.document.language != UNDETERMINED else None
        try:
            detected = Detected(given, 1.0) if given else detect_language(item.document.text)
            language = Language(code=detected.code, score=min(detected.score, 1.0), given=given is not None)
            readable = readable_by(self.languages, detected)
        except Exception as error:  # noqa: BLE001  boundary of a record: its neighbours must not suffer
            return _failed(item, error)
        return Reading(item.record, item.document, language, windows=(), readable=readable)

    def cut(self, reading: Reading, tokens: TextTokens) -> Reading | Failed:
        text, window = reading.document.text, self.window
        try:
            windows = cut_windows(
                text,
                tokens,
                split_sentences(text),
                max_tokens=window.max_tokens,
                overlap_tokens=window.overlap_tokens,
            )
        except Exception as error:  # noqa: BLE001  boundary of a record: its neighbours must not suffer
            return _failed(reading, error)
        return Reading(reading.record, reading.document, reading.language, tuple(windows), reading.readable)


def _failed(item: Accepted | Reading, error: Exception) -> Failed:
    """The type of the error alone: its message may quote the document."""
    return Failed(item.record, Failure(FailedStep.SEGMENT, "internal_error", type(error).__name__, item.document.id))
