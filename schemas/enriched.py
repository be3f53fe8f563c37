"""What consumers read: the document with everything found in it, and the receipts that say how it was found.

A record is a pure function of the document, the models, the settings and the calibration that it names: nothing in it
depends on the time of day, the batch, the cache or the worker. What does (cache hits, seconds per step, worker) travels
in the header `enrich-run`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field, JsonValue

from schemas.base import FrozenRecord, OffsetUnit, StageName
from schemas.document import LanguageCode


class Origin(FrozenRecord):
    """The input record that this record answers."""

    topic: str
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)


class Span(FrozenRecord):
    """A half-open slice of the document's text: `text[start:end]`, counted in the record's `offset_unit`."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)


class Entity(Span):
    """A mention of something with a name or a value. `text` is exactly the slice."""

    id: str = Field(description="Unique in the record; relations refer to it")
    type: str
    text: str
    score: float = Field(ge=0, le=1)


class Relation(FrozenRecord):
    """A directed relation between two entities of the record."""

    head: str = Field(description="`id` of the entity the relation starts from")
    tail: str = Field(description="`id` of the entity it points to")
    type: str
    score: float = Field(ge=0, le=1)
    evidence: Span = Field(description="The sentence or sentences that the relation was read from")


class Label(FrozenRecord):
    """A label and the model's probability for it."""

    name: str
    score: float = Field(ge=0, le=1)


class Classification(FrozenRecord):
    """Labels that passed their threshold, best first; `abstained` if none did."""

    labels: tuple[Label, ...]
    abstained: bool
    candidates: tuple[Label, ...] = Field(description="The highest-scored labels, whether they passed or not")


class Summary(FrozenRecord):
    """A short version of the document. An extractive summary quotes: `sentences` are its source spans, in order."""

    text: str
    kind: Literal["extractive", "abstractive"]
    sentences: tuple[Span, ...]


class Language(FrozenRecord):
    """The language the stages worked with."""

    code: LanguageCode
    score: float = Field(ge=0, le=1)
    given: bool = Field(description="True if the producer said it, false if it was detected")


class Coverage(FrozenRecord):
    """How much of the text a stage saw. Nothing is cut silently: `characters_seen < characters` has a warning."""

    segments: int = Field(ge=0, description="Windows the text was read in")
    characters_seen: int = Field(ge=0, description="Code points")
    characters: int = Field(ge=0, description="Code points")


class AppliedCalibration(FrozenRecord):
    """What readers' verdicts changed: scores are the model's with their log-odds over `temperature`."""

    id: str = Field(description="Of the record on the topic of calibrations")
    temperature: float = Field(gt=0)
    thresholds: dict[str, float] = Field(description="Published scores from which on a type or label counts")


class Receipt(FrozenRecord):
    """How one stage came to its answer."""

    stage: StageName
    model: str
    revision: str = Field(description="SHA-256 over the model's weights and configuration")
    precision: str = Field(description="Number format of the forward pass, e.g. bf16")
    settings: str = Field(description="Fingerprint of the stage's settings, as in the cache key")
    thresholds: dict[str, float] = Field(description="On the model's own scores, before a calibration")
    code: str = Field(description="Version of the package and of the stage's code")
    calibration: AppliedCalibration | None = Field(default=None, description="Null if none is in force")


class RecordWarning(FrozenRecord):
    """Something a careful reader of this record should know."""

    code: str
    detail: str
    stage: StageName | None = None


class EnrichedDocument(FrozenRecord):
    """One enriched document."""

    schema_version: Literal["1"] = "1"
    id: str
    text: str | None = Field(description="The document's text; null if the worker is set to leave it out")
    title: str | None
    timestamp: AwareDatetime | None
    source: str | None
    metadata: dict[str, JsonValue]
    origin: Origin
    offset_unit: OffsetUnit = Field(description="What every start and end in this record counts")
    language: Language
    entities: tuple[Entity, ...]
    relations: tuple[Relation, ...]
    classification: Classification | None = Field(description="Null if the stage did not apply or is switched off")
    summary: Summary | None = Field(description="Null if the stage did not apply or is switched off")
    coverage: dict[StageName, Coverage]
    receipts: tuple[Receipt, ...]
    warnings: tuple[RecordWarning, ...]
