"""One example of each record, as the schemas show it. Built by the models: an invalid example cannot be imported."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256

from schemas.base import OffsetUnit, StageName
from schemas.calibration import Calibration, CalibrationState, HeadCalibration, JudgedType
from schemas.correction import Correction, Verdict
from schemas.dead_letter import DeadLetter, FailedStep, HeaderValue, Payload
from schemas.document import Document
from schemas.drift_alert import DriftAlert, DriftState, Share
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

TEXT = "Ada Lovelace was born in London. She wrote about Charles Babbage's Analytical Engine."
BAD_PAYLOAD = '{"id": "note-8", "text": ""}'

DOCUMENT = Document(
    id="note-7",
    text=TEXT,
    title="A note",
    language="en",
    timestamp=datetime(2026, 1, 31, 12, 30, tzinfo=UTC),
    source="notes",
    metadata={"tags": ["history"], "priority": 2},
)


def _entity(identifier: str, kind: str, mention: str, score: float) -> Entity:
    start = TEXT.index(mention)
    return Entity(id=identifier, type=kind, text=mention, start=start, end=start + len(mention), score=score)


def _receipt(stage: StageName) -> Receipt:
    return Receipt(
        stage=stage,
        model="default",
        revision="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        precision="bf16",
        settings="5d41402abc4b2a76",
        thresholds={"min_score": 0.5},
        code="0.1.0/1",
    )


ENRICHED_DOCUMENT = EnrichedDocument(
    id=DOCUMENT.id,
    text=TEXT,
    title=DOCUMENT.title,
    timestamp=DOCUMENT.timestamp,
    source=DOCUMENT.source,
    metadata=DOCUMENT.metadata,
    origin=Origin(topic="documents", partition=3, offset=41),
    offset_unit=OffsetUnit.CODE_POINT,
    language=Language(code="en", score=1.0, given=True),
    entities=(_entity("e1", "PER", "Ada Lovelace", 0.9921), _entity("e2", "LOC", "London", 0.9875)),
    relations=(Relation(head="e1", tail="e2", type="place_of_birth", score=0.8712, evidence=Span(start=0, end=32)),),
    classification=Classification(
        labels=(Label(name="history", score=0.6412),),
        abstained=False,
        candidates=(Label(name="history", score=0.6412), Label(name="sport", score=0.0321)),
    ),
    summary=Summary(text=TEXT[:32], kind="extractive", sentences=(Span(start=0, end=32),)),
    coverage={stage: Coverage(segments=1, characters_seen=len(TEXT), characters=len(TEXT)) for stage in StageName},
    receipts=tuple(_receipt(stage) for stage in StageName),
    warnings=(RecordWarning(code="unknown_fields", detail="1 field of the document is not known to this version"),),
)

DEAD_LETTER = DeadLetter(
    id="note-8",
    stage=FailedStep.VALIDATE,
    code="empty_text",
    detail="`text` has 0 characters, all of them white space",
    attempts=1,
    origin=Origin(topic="documents", partition=0, offset=42),
    timestamp_ms=1_769_862_600_000,
    key=b64encode(b"note-8").decode(),
    headers=(HeaderValue(name="content-type", value=b64encode(b"application/json").decode()),),
    payload=Payload(
        encoding="utf-8",
        data=BAD_PAYLOAD,
        size_bytes=len(BAD_PAYLOAD),
        sha256=sha256(BAD_PAYLOAD.encode()).hexdigest(),
    ),
)

CORRECTION = Correction(
    origin=ENRICHED_DOCUMENT.origin,
    document_id=DOCUMENT.id,
    stage=StageName.ENTITIES,
    item="e2",
    verdict=Verdict.WRONG,
    given="LOC",
    expected="ORG",
    score=0.9875,
    model="default",
    revision=ENRICHED_DOCUMENT.receipts[0].revision,
    by="a reader",
    at=datetime(2026, 1, 31, 13, 0, tzinfo=UTC),
)

DRIFT_ALERT = DriftAlert(
    id="labels/raised/1769862600",
    measure="labels",
    state=DriftState.RAISED,
    psi=0.61,
    js_distance=0.34,
    limit=0.25,
    window_start=datetime(2026, 1, 31, 12, 30, tzinfo=UTC),
    window_end=datetime(2026, 1, 31, 12, 40, tzinfo=UTC),
    documents=1_200,
    reference_documents=6_000,
    shares=(Share(bucket="sport", reference=0.2, window=0.55), Share(bucket="history", reference=0.5, window=0.2)),
)

CALIBRATION = Calibration(
    id="5f1c0d9a27be",
    state=CalibrationState.PROPOSED,
    model="default",
    revision=ENRICHED_DOCUMENT.receipts[0].revision[:12],
    heads={
        StageName.ENTITIES: HeadCalibration(
            temperature=1.6,
            thresholds={"ORG": 0.71},
            judged=412,
            log_loss_before=0.61,
            log_loss_after=0.48,
            types={"ORG": JudgedType(judged=140, precision_before=0.7, precision_after=0.89, right_kept=0.94)},
        )
    },
    at=datetime(2026, 1, 31, 13, 10, tzinfo=UTC),
)
