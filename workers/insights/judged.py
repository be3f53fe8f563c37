"""Finds the item of a record that a reader judges, and which model is answerable for it."""

from __future__ import annotations

from typing import NamedTuple

from schemas import EnrichedDocument, StageName


class Item(NamedTuple):
    """What the record says of it."""

    given: str  # type or label
    score: float | None
    model: str
    revision: str
    temperature: float  # of the calibration behind the score


def item_of(document: EnrichedDocument, stage: StageName, name: str) -> Item | None:
    """None if the record has no such item, or no receipt for its stage. Names are those of `Correction.item`."""
    receipt = next((receipt for receipt in document.receipts if receipt.stage is stage), None)
    found = said_of(document, stage, name)
    if receipt is None or found is None:
        return None
    given, score = found
    temperature = receipt.calibration.temperature if receipt.calibration else 1.0
    return Item(given[:200], score, receipt.model[:200], receipt.revision[:128], temperature)


def said_of(document: EnrichedDocument, stage: StageName, name: str) -> tuple[str, float | None] | None:
    match stage:
        case StageName.ENTITIES:
            return next(((entity.type, entity.score) for entity in document.entities if entity.id == name), None)
        case StageName.RELATIONS:
            named = {f"{relation.head}>{relation.type}>{relation.tail}": relation for relation in document.relations}
            return (named[name].type, named[name].score) if name in named else None
        case StageName.CLASSIFICATION:
            labels = document.classification.labels if document.classification else ()
            return next(((label.name, label.score) for label in labels if label.name == name), None)
        case StageName.SUMMARY:
            return (document.summary.kind, None) if document.summary and name == "summary" else None
