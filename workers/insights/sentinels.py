"""How many of a sentinel's known answers its enrichment gives. Strict: an entity counts with type and whole text."""

from __future__ import annotations

from schemas import EnrichedDocument, Expectation


def answers_found(expected: Expectation, document: EnrichedDocument) -> int:
    """At most `expected.answers`."""
    found = {(entity.type, entity.text) for entity in document.entities}
    right = sum((entity.type, entity.text) in found for entity in expected.entities)
    if expected.label is not None and document.classification is not None:
        right += [label.name for label in document.classification.labels[:1]] == [expected.label]
    if expected.language is not None:
        right += document.language.code == expected.language
    return right
