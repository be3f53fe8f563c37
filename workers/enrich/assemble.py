"""From the answers of a document's windows to its record: merge, check every span, state coverage and receipts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from schemas import (
    Calibration,
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
)
from workers.enrich.brief import Brief, brief_of
from workers.enrich.calibrations import applied_to
from workers.enrich.lanes import Lane
from workers.enrich.outcome import Failure
from workers.enrich.reading import Cut, Reading
from workers.models.base import ModelInfo
from workers.settings import OutputSettings, StageSettings
from workers.stages import classification, entities, relations
from workers.stages.rescaling import Rescaling
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    RelationsResult,
    StageResult,
    WindowAnswer,
)
from workers.text.offsets import OffsetTable, tabulate_offsets
from workers.text.pieces import Window

ResultT = TypeVar("ResultT", bound=StageResult)


@dataclass(frozen=True, slots=True)
class Part:
    """A document as one stage saw it, and what was answered."""

    info: ModelInfo
    cut: Cut
    answers: Sequence[WindowAnswer]  # one per window, or what the last pass over their summaries gave

    @property
    def windows(self) -> tuple[Window, ...]:
        return self.cut.windows


@dataclass(frozen=True, slots=True)
class Assembler:
    """Makes the record of a document. Depends on nothing but its arguments: the same answers give the same record."""

    lanes: Mapping[StageName, Lane]  # of every enabled stage
    stages: StageSettings
    output: OutputSettings
    receipts: tuple[Receipt, ...]
    rescaling: Mapping[StageName, Rescaling] = field(default_factory=dict)  # of stages with a calibration in force

    def under(self, calibrations: Sequence[Calibration]) -> Assembler:
        """The same with those of `calibrations` in force that concern its models; its receipts name them."""
        applied = applied_to(self.lanes, calibrations)
        if not applied:
            return self
        receipts = tuple(r.model_copy(update={"calibration": applied.get(r.stage)}) for r in self.receipts)
        rescaling = {stage: Rescaling(own.temperature, own.thresholds) for stage, own in applied.items()}
        return replace(self, receipts=receipts, rescaling=rescaling)

    def assemble(self, reading: Reading, answers: Mapping[str, Sequence[WindowAnswer]]) -> EnrichedDocument | Failure:
        """`answers` by lane: one entry per window of that lane, each with every stage that it serves."""
        document, record = reading.document, reading.record
        parts = {
            stage: Part(lane.info, reading.cuts[lane.name], answers[lane.name]) for stage, lane in self.lanes.items()
        }
        found = self.entities(parts.get(StageName.ENTITIES))
        wrong = sum(document.text[e.start : e.end] != e.text or not e.text for e in found)
        if wrong:
            return Failure(FailedStep.ASSEMBLE, "span_mismatch", f"{wrong} entities do not quote the text", document.id)
        pairs = self.relations(found, parts.get(StageName.RELATIONS))
        table = tabulate_offsets(document.text, self.output.offset_unit)
        brief = self.brief(document.text, parts.get(StageName.SUMMARY))
        summary = brief.summary
        if not table.is_identity:  # copies cost more than all else here; most texts need none
            found = tuple(_entity_in(table, entity) for entity in found)
            pairs = tuple(r.model_copy(update={"evidence": _span_in(table, r.evidence)}) for r in pairs)
            spans = tuple(_span_in(table, span) for span in summary.sentences) if summary else ()
            summary = summary and summary.model_copy(update={"sentences": spans})
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
            entities=found,
            relations=pairs,
            classification=self.classification(parts.get(StageName.CLASSIFICATION)),
            summary=summary,
            coverage=self.coverage(document.text, parts),
            receipts=tuple(receipt for receipt in self.receipts if parts[receipt.stage].windows),
            warnings=(*self.warnings(reading, parts), *brief.warnings),
        )

    def entities(self, part: Part | None) -> tuple[Entity, ...]:
        if part is None:
            return ()
        results = _column(part.answers, StageName.ENTITIES, EntitiesResult)
        thresholds = part.info.thresholds.get(StageName.ENTITIES, {})
        minimum = self.stages.entities.min_score
        return entities.merge_entities(
            part.windows,
            results,
            thresholds=thresholds,
            min_score=minimum,
            rescaling=self.rescaling.get(StageName.ENTITIES),
        )

    def relations(self, found: Sequence[Entity], part: Part | None) -> tuple[Relation, ...]:
        if part is None:
            return ()
        results = _column(part.answers, StageName.RELATIONS, RelationsResult)
        if self.lanes[StageName.RELATIONS] != self.lanes[StageName.ENTITIES]:
            results = with_types_of(found, part.windows, results)
        return relations.merge_relations(
            found,
            part.windows,
            results,
            thresholds=part.info.thresholds.get(StageName.RELATIONS, {}),
            min_score=self.stages.relations.min_score,
            rescaling=self.rescaling.get(StageName.RELATIONS),
        )

    def classification(self, part: Part | None) -> Classification | None:
        if part is None or not part.answers:
            return None
        thresholds, wanted = part.info.thresholds.get(StageName.CLASSIFICATION, {}), self.stages.classification
        return classification.merge_classification(
            part.info.labels[StageName.CLASSIFICATION],
            _column(part.answers, StageName.CLASSIFICATION, ClassificationResult),
            temperature=thresholds.get("temperature", 1.0),
            min_score=wanted.min_score,
            multi_label=wanted.multi_label,
            refusal=classification.Refusal.of(thresholds),
            independent=part.info.independent_labels,
            rescaling=self.rescaling.get(StageName.CLASSIFICATION),
        )

    def brief(self, text: str, part: Part | None) -> Brief:
        if part is None:
            return Brief()
        thresholds = part.info.thresholds.get(StageName.SUMMARY, {})
        return brief_of(text, part.windows, part.answers, self.stages.summary, thresholds)

    def coverage(self, text: str, parts: Mapping[StageName, Part]) -> dict[StageName, Coverage]:
        """Stages of one lane saw the same."""
        seen = {self.lanes[stage].name: part for stage, part in parts.items()}
        by_lane = {name: coverage(text, part.windows) for name, part in seen.items()}
        return {stage: by_lane[self.lanes[stage].name] for stage in parts}

    def warnings(self, reading: Reading, parts: Mapping[StageName, Part]) -> list[RecordWarning]:
        unknown, code = reading.document.unknown_fields, reading.language.code
        found: list[RecordWarning] = []
        if unknown:
            found.append(
                RecordWarning(code="unknown_fields", detail=f"{unknown} fields of the input are not in its schema")
            )
        for stage, part in parts.items():
            if not part.cut.readable:
                detail = f"the model reads {', '.join(sorted(part.info.languages))}; the text is in {code}"
                found.append(RecordWarning(code="language_not_supported", detail=detail, stage=stage))
        blind = [stage for stage, part in parts.items() if part.cut.readable and not part.windows]
        whole = [None] if len(blind) == len(parts) and blind else blind  # no need to say it four times
        detail = "the model's vocabulary knows nothing in this text"
        found += [RecordWarning(code="no_tokens", detail=detail, stage=stage) for stage in whole]
        return found


def with_types_of(
    published: Sequence[Entity], windows: Sequence[Window], results: Sequence[RelationsResult]
) -> list[RelationsResult]:
    """The results of another model, its entities under the types of the published ones with the same span.

    Two models need not use the same names for types, so the span alone tells that an end is a published entity. A
    relation that has an end elsewhere is left out later, as one whose end lost to an overlapping entity is.
    """
    types = {(entity.start, entity.end): entity.type for entity in published}
    return [
        replace(
            result,
            entities=tuple(
                replace(e, type=types.get((window.start + e.start, window.start + e.end), e.type))
                for e in result.entities
            ),
        )
        for window, result in zip(windows, results, strict=True)
    ]


def coverage(text: str, windows: Sequence[Window]) -> Coverage:
    """White space between windows counts as seen: there is nothing in it to see."""
    seen, end = 0, 0
    for window in windows:
        gap = text[end : window.start]
        seen += window.end - max(window.start, end) + (len(gap) if not gap.strip() else 0)
        end = window.end
    if windows and not text[end:].strip():
        seen += len(text) - end
    return Coverage(segments=len(windows), characters_seen=seen, characters=len(text))


def _column(answers: Sequence[WindowAnswer], stage: StageName, kind: type[ResultT]) -> list[ResultT]:
    """One stage's results; the batcher has checked that they are there."""
    return [result for answer in answers if isinstance(result := answer[stage], kind)]


def _entity_in(table: OffsetTable, entity: Entity) -> Entity:
    return entity.model_copy(update={"start": table.convert(entity.start), "end": table.convert(entity.end)})


def _span_in(table: OffsetTable, span: Span) -> Span:
    return Span(start=table.convert(span.start), end=table.convert(span.end))
