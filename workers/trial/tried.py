"""A text from somebody who tries it out: through the pipeline once as it is, and once for each part left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import orjson

from schemas import Classification, EnrichedDocument
from workers.enrich.outcome import Enriched, Failed, Outcome
from workers.enrich.pipeline import Pipeline
from workers.transport.base import IncomingRecord, Partition
from workers.trial.occlusion import Explanation, explain

NOWHERE = Partition("pasted", 0)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no record; quotes no text."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Tried:
    """The record as a worker would publish it, and what its best label rests on."""

    document: EnrichedDocument
    explanation: Explanation | None

    def as_json(self) -> bytes:
        explained = orjson.dumps(None if self.explanation is None else asdict(self.explanation))
        return b'{"document":' + self.document.model_dump_json().encode() + b',"explanation":' + explained + b"}"


def try_text(pipeline: Pipeline, text: str, *, most_parts: int) -> Tried | Refused:
    """Takes a pass over the text for each part. Raises what the pipeline raises if a model is lost."""
    outcome = pipeline.enrich([record_of(text)])[0]
    if isinstance(outcome, Failed):
        return Refused(outcome.failure.code, outcome.failure.detail)
    assert isinstance(outcome, Enriched)
    document = outcome.document
    if document.classification is None:
        return Tried(document, None)

    def classify(texts: Sequence[str]) -> list[Classification | None]:
        records = [record_of(part, language=document.language.code) for part in texts]
        return [label_of(outcome) for outcome in pipeline.enrich(records)]

    return Tried(document, explain(text, document.classification, classify, most_parts=most_parts))


def record_of(text: str, *, language: str | None = None) -> IncomingRecord:
    """The language of the whole is given for its parts, so that no part is read in another."""
    fields = {"id": "pasted", "text": text} | ({"language": language} if language else {})
    return IncomingRecord(NOWHERE, 0, None, None, orjson.dumps(fields))


def label_of(outcome: Outcome) -> Classification | None:
    return outcome.document.classification if isinstance(outcome, Enriched) else None
