"""From the answers of a document's windows to its record: merge, check every span, state coverage and receipts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypeVar

from schemas import (
    Classification,
    Coverage,
    EnrichedDocument,
    Entity,
    FailedStep,
    Origin,
    Receipt,
    RecordWarning,
    Relation,
    Span,
    StageName,
    Summary,
)
from workers.enrich.outcome import Failure
from workers.enrich.reading import Reading
from workers.models.base import ModelInfo
from workers.settings import OutputSettings, StageSettings
from workers.stages import classification, entities, relations, summary
from workers.stages.fingerprint import fingerprint
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    RelationsResult,
    StageResult,
    SummaryResult,
    WindowAnswer,
)
from workers.text.offsets import OffsetTable, tabulate_offsets
from workers.text.pieces import Window

PACKAGE_VERSION = version("enrich-workers")
ResultT = TypeVar("ResultT", bound=StageResult)
CODE = {
    StageName.ENTITIES: entities.CODE_VERSION,
    StageName.RELATIONS: relations.CODE_VERSION,
    StageName.CLASSIFICATION: classification.CODE_VERSION,
    StageName.SUMMARY: summary.CODE_VERSION,
}


def code_version(stage: StageName) -> str:
    """Version of the package and of the stage's code: in the cache key and in the receipt."""
    return f"{PACKAGE_VERSION}+{stage.value}.{CODE[stage]}"


def receipts_of(info: ModelInfo, stages: StageSettings) -> tuple[Receipt, ...]:
    """One per enabled stage; the same for every document of a run."""
    return tuple(
        Receipt(
            stage=stage,
            model=info.name,
            revision=info.revision,
            precision=info.precision,
            settings=fingerprint(stage, stages),
            thresholds=thresholds_of(stage, info, stages),
            code=code_version(stage),
        )
        for stage in stages.enabled()
    )


def thresholds_of(stage: StageName, info: ModelInfo, stages: StageSettings) -> dict[str, float]:
    """The thresholds in force: the settings' where they say something, else the model's."""
    own = dict(info.thresholds.get(stage, {}))
    if stage is StageName.RELATIONS and stages.relations.min_score is not None:
        return {"min_score": stages.relations.min_score}
    if stage is StageName.ENTITIES:
        own["min_score"] = stages.entities.min_score
    if stage is StageName.CLASSIFICATION:
        own["min_score"] = stages.classification.min_score
    return own


@dataclass(frozen=True, slots=True)
class Assembler:
    """Makes the record of a document. Depends on nothing but its arguments: the same answers give the same record."""

    info: ModelInfo
    stages: StageSettings
    output: OutputSettings
    receipts: tuple[Receipt, ...]

    def assemble(self, reading: Reading, answers: Sequence[WindowAnswer]) -> EnrichedDocument | Failure:
        """`answers` has one entry per window, each with every enabled stage."""
        document, record = reading.document, reading.record
        found = self.entities(reading, answers)
        wrong = sum(document.text[e.start : e.end] != e.text or not e.text for e in found)
        if wrong:
            return Failure(FailedStep.ASSEMBLE, "span_mismatch", f"{wrong} entities do not quote the text", document.id)
        pairs = self.relations(found, reading.windows, answers)
        table = tabulate_offsets(document.text, self.output.offset_unit)
        brief = self.summary(reading, answers)
        return EnrichedDocument(
            id=document.id,
            text=document.text if self.output.include_text else None,
            title=document.title,
            timestamp=document.timestamp,
            source=document.source,
            metadata=document.metadata,
            origin=Origin(topic=record.partition.topic, partition=record.partition.number, offset=record.offset),
            offset_unit=self.output.offset_unit,
            language=reading.language,
            entities=tuple(_entity_in(table, entity) for entity in found),
            relations=tuple(r.model_copy(update={"evidence": _span_in(table, r.evidence)}) for r in pairs),
            classification=self.classification(answers),
            summary=brief
            and brief.model_copy(update={"sentences": tuple(_span_in(table, s) for s in brief.sentences)}),
            coverage={stage: coverage(reading) for stage in self.stages.enabled()},
            receipts=self.receipts if reading.windows else (),
            warnings=tuple(self.warnings(reading, brief)),
        )

    def entities(self, reading: Reading, answers: Sequence[WindowAnswer]) -> tuple[Entity, ...]:
        if not self.stages.entities.enabled:
            return ()
        results = _column(answers, StageName.ENTITIES, EntitiesResult)
        min_score = self.stages.entities.min_score
        return entities.merge_entities(reading.windows, results, min_score=min_score)

    def relations(
        self, found: Sequence[Entity], windows: Sequence[Window], answers: Sequence[WindowAnswer]
    ) -> tuple[Relation, ...]:
        if not self.stages.relations.enabled:
            return ()
        return relations.merge_relations(
            found,
            windows,
            _column(answers, StageName.RELATIONS, RelationsResult),
            thresholds=self.info.thresholds.get(StageName.RELATIONS, {}),
            min_score=self.stages.relations.min_score,
        )

    def classification(self, answers: Sequence[WindowAnswer]) -> Classification | None:
        wanted = self.stages.classification
        if not (wanted.enabled and answers):
            return None
        return classification.merge_classification(
            tuple(wanted.labels),
            _column(answers, StageName.CLASSIFICATION, ClassificationResult),
            temperature=self.info.thresholds[StageName.CLASSIFICATION]["temperature"],
            min_score=wanted.min_score,
            multi_label=wanted.multi_label,
        )

    def summary(self, reading: Reading, answers: Sequence[WindowAnswer]) -> Summary | None:
        wanted = self.stages.summary
        if not (wanted.enabled and answers) or self.too_short(reading):
            return None
        results = _column(answers, StageName.SUMMARY, SummaryResult)
        text, limit = reading.document.text, wanted.max_sentences
        return summary.merge_summary(text, reading.windows, results, max_sentences=limit)

    def too_short(self, reading: Reading) -> bool:
        sentences = sum(len(window.sentences) for window in reading.windows)
        return sentences < self.stages.summary.min_sentences_in_document

    def warnings(self, reading: Reading, brief: Summary | None) -> list[RecordWarning]:
        unknown = reading.document.unknown_fields
        found: list[RecordWarning] = []
        if unknown:
            found.append(
                RecordWarning(code="unknown_fields", detail=f"{unknown} fields of the input are not in its schema")
            )
        if not reading.readable:
            code, read = reading.language.code, ", ".join(sorted(self.info.languages))
            detail = f"the model reads {read}; the text is in {code}"
            found += [
                RecordWarning(code="language_not_supported", detail=detail, stage=stage)
                for stage in self.stages.enabled()
            ]
        elif not reading.windows:
            found.append(RecordWarning(code="no_tokens", detail="the model's vocabulary knows nothing in this text"))
        elif self.stages.summary.enabled and brief is None:
            few = self.too_short(reading)
            least = self.stages.summary.min_sentences_in_document
            detail = f"fewer than {least} sentences" if few else "no sentence of a length that can be quoted"
            found.append(RecordWarning(code="no_summary", detail=detail, stage=StageName.SUMMARY))
        return found


def coverage(reading: Reading) -> Coverage:
    """White space between windows counts as seen: there is nothing in it to see."""
    text, seen, end = reading.document.text, 0, 0
    for window in reading.windows:
        gap = text[end : window.start]
        seen += window.end - max(window.start, end) + (len(gap) if not gap.strip() else 0)
        end = window.end
    if reading.windows and not text[end:].strip():
        seen += len(text) - end
    return Coverage(segments=len(reading.windows), characters_seen=seen, characters=len(text))


def _column(answers: Sequence[WindowAnswer], stage: StageName, kind: type[ResultT]) -> list[ResultT]:
    """One stage's results; the batcher has checked that they are there."""
    return [result for answer in answers if isinstance(result := answer[stage], kind)]


def _entity_in(table: OffsetTable, entity: Entity) -> Entity:
    return entity.model_copy(update={"start": table.convert(entity.start), "end": table.convert(entity.end)})


def _span_in(table: OffsetTable, span: Span) -> Span:
    return Span(start=table.convert(span.start), end=table.convert(span.end))
