"""Scores entities and relations of a data set. Strict: type and both ends of an entity, both entities of a relation.

Scored are the types that the data set annotates and the model has; what else the model says is neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas import Entity, Relation
from schemas.base import StageName
from workers.lifecycle.documents import Document, Fact, documents_of
from workers.lifecycle.figures import Meter
from workers.lifecycle.formats import ExtractionSet
from workers.lifecycle.given import relate_given
from workers.lifecycle.labelspace import LabelSpace
from workers.lifecycle.naming import LabelMap, Naming, name_types
from workers.lifecycle.product import Product, ReadText
from workers.lifecycle.report import Figure
from workers.lifecycle.tally import Tally
from workers.models.shared import SharedEncoderModel
from workers.stages.results import RelationsResult

COARSE = (("PER", "ORG", "LOC"), ("PER", "ORG", "LOC", "MISC"), ("PER", "ORG", "LOC", "MISC", "DATE"))
WHOLE, NEAR = "whole document", "pairs within a window"


@dataclass(frozen=True, slots=True)
class Extraction:
    """Figures, and the names that were not scored."""

    figures: list[Figure]
    unknown: tuple[str, ...]


def score_extraction(product: Product, content: ExtractionSet, told: LabelMap | None, meter: Meter) -> Extraction:
    """Entities of a set that labels all of them; relations, where it has some, for found and for given entities."""
    labels = product.labels
    texts = content.texts
    naming = name_types(
        (mention.type for text in texts for mention in text.mentions),
        {name for text in texts for name in (*(fact.type for fact in text.facts), *(text.annotated or ()))},
        labels,
        told,
    )
    documents = documents_of(texts, naming, labels)
    related = content.related and StageName.RELATIONS in product.loaded.config.stages and bool(labels.relation_types)
    stages = (StageName.ENTITIES, StageName.RELATIONS) if related else (StageName.ENTITIES,)
    model = product.model(*stages)
    read = product.read(model, [document.text for document in documents])
    found = [product.entities(text) for text in read]
    figures = _entities(documents, found, naming, labels, meter) if content.exhaustive else []
    if related:
        figures += _relations(product, model, documents, read, found, meter)
    return Extraction(figures, naming.unknown)


def _entities(
    documents: Sequence[Document],
    found: Sequence[Sequence[Entity]],
    naming: Naming,
    labels: LabelSpace,
    meter: Meter,
) -> list[Figure]:
    types = [name for name in labels.entity_types if name in naming.entities.values()]
    if not types:
        return []
    tally = Tally(len(documents), types)
    for item, (document, entities) in enumerate(zip(documents, found, strict=True)):
        wanted = {((m.start, m.end), m.type) for m in document.mentions}
        said = [((e.start, e.end), e.type) for e in entities if e.type in types]
        tally.count(item, said, wanted)
        for entity, place in zip((e for e in entities if e.type in types), said, strict=True):
            tally.judge(item, entity.score, right=place in wanted)
    groups: dict[str, Sequence[str]] = {" ".join(g): g for g in COARSE if set(g) < set(types)}
    everything = " ".join(types)
    groups[everything] = types
    return [
        *tally.scores(meter, "entities", groups, by_type=everything),
        *tally.calibration(meter, "entities", everything),
    ]


def _relations(
    product: Product,
    model: SharedEncoderModel,
    documents: Sequence[Document],
    read: Sequence[ReadText],
    found: Sequence[Sequence[Entity]],
    meter: Meter,
) -> list[Figure]:
    given = [document.given() for document in documents]
    windows = [window for text in read for window in text.windows]
    owners = [entities for text, entities in zip(read, given, strict=True) for _ in text.windows]
    results = iter(relate_given(product.loaded, model, windows, owners))
    about_given = [
        product.relations(entities, text.windows, [next(results) for _ in text.windows])
        for text, entities in zip(read, given, strict=True)
    ]
    about_found = [
        product.relations(entities, text.windows, text.column(StageName.RELATIONS, RelationsResult))
        for text, entities in zip(read, found, strict=True)
    ]
    return [
        *_facts("given entities", documents, read, given, about_given, product.labels, meter),
        *_facts("found entities", documents, read, found, about_found, product.labels, meter),
    ]


def _facts(
    whose: str,
    documents: Sequence[Document],
    read: Sequence[ReadText],
    entities: Sequence[Sequence[Entity]],
    relations: Sequence[Sequence[Relation]],
    labels: LabelSpace,
    meter: Meter,
) -> list[Figure]:
    """A fact joins two things of a document, however often it is told. With `NEAR` those facts are wanted of which
    some window holds both ends: what a model that reads windows can see."""
    scored = {name for document in documents for name in document.scored}
    types = [relation.name for relation in labels.relation_types if relation.name in scored]
    if not types:
        return []
    whole, near = Tally(len(documents), types), Tally(len(documents), types)
    for item, document in enumerate(documents):
        stated = list(_stated(document, entities[item], relations[item], labels))
        within = document.facts_within([(w.start, w.end) for w in read[item].windows])
        for tally, wanted in ((whole, document.facts), (near, within)):
            tally.count(item, (_said(fact) for fact, _ in stated), (_said(fact) for fact in wanted))
        for fact, score in stated:
            whole.judge(item, score, right=fact in document.facts)
    if not whole.wanted():
        return []
    scope, figures = f"{whose}, {WHOLE}", list[Figure]()
    if near.wanted() < whole.wanted():
        figures += near.scores(meter, "relations", {f"{whose}, {NEAR}": types}, by_type=None)
    figures += whole.scores(meter, "relations", {scope: types}, by_type=scope)
    return [*figures, *whole.calibration(meter, "relations", scope)]


def _stated(
    document: Document, entities: Sequence[Entity], relations: Sequence[Relation], labels: LabelSpace
) -> Iterator[tuple[Fact, float]]:
    """The facts that the model states of relations that were looked for, and how sure it is of each."""
    things = {entity.id: document.thing(entity) for entity in entities}
    for relation in relations:
        head, tail = things[relation.head], things[relation.tail]
        if head != tail and relation.type in document.scored:
            yield Fact.of(head, tail, relation.type, labels), relation.score


def _said(fact: Fact) -> tuple[tuple[str, str], str]:
    return (fact.head, fact.tail), fact.type
