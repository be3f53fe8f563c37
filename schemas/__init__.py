"""The contracts of the topics. Needs pydantic and nothing else: a consumer can install it without the workers."""

from schemas.base import FrozenRecord, OffsetUnit, StageName
from schemas.calibration import Calibration, CalibrationState, HeadCalibration, JudgedType
from schemas.correction import Correction, Verdict
from schemas.dead_letter import DeadLetter, FailedStep, HeaderValue, Payload
from schemas.document import Document
from schemas.drift_alert import DriftAlert, DriftState, Share
from schemas.enriched import (
    AppliedCalibration,
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
from schemas.sentinel import Expectation, ExpectedEntity

__all__ = [
    "SCHEMA_VERSION",
    "AppliedCalibration",
    "Calibration",
    "CalibrationState",
    "Classification",
    "Correction",
    "Coverage",
    "DeadLetter",
    "Document",
    "DriftAlert",
    "DriftState",
    "EnrichedDocument",
    "Entity",
    "Expectation",
    "ExpectedEntity",
    "FailedStep",
    "FrozenRecord",
    "HeadCalibration",
    "HeaderValue",
    "JudgedType",
    "Label",
    "Language",
    "OffsetUnit",
    "Origin",
    "Payload",
    "Receipt",
    "RecordWarning",
    "Relation",
    "Share",
    "Span",
    "StageName",
    "Summary",
    "Verdict",
]
