"""The contracts of the topics. Needs pydantic and nothing else: a consumer can install it without the workers."""

from schemas.base import FrozenRecord, OffsetUnit, StageName
from schemas.dead_letter import DeadLetter, FailedStep, HeaderValue, Payload
from schemas.document import Document
from schemas.enriched import (
    Classification,
    Coverage,
    EnrichedDocument,
    Entity,
    Label,
    Language,
    Origin,
    Receipt,
    RecordWarning,
    Relation,
    Span,
    Summary,
)

__all__ = [
    "SCHEMA_VERSION",
    "Classification",
    "Coverage",
    "DeadLetter",
    "Document",
    "EnrichedDocument",
    "Entity",
    "FailedStep",
    "FrozenRecord",
    "HeaderValue",
    "Label",
    "Language",
    "OffsetUnit",
    "Origin",
    "Payload",
    "Receipt",
    "RecordWarning",
    "Relation",
    "Span",
    "StageName",
    "Summary",
]
