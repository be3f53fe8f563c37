"""What a model can say, and how one data set's labels are read as that. Values; the packaged tables are in `labels`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from workers.models.config import ModelConfig, RelationType

AMBIGUOUS = "?"  # a span that may or may not be MISC for us: its words are trained as "O or MISC"


@dataclass(frozen=True)
class LabelSpace:
    """The entity and relation types of a model, and their numbers."""

    entity_types: tuple[str, ...]
    relation_types: tuple[RelationType, ...]

    @classmethod
    def of(cls, config: ModelConfig) -> LabelSpace:
        return cls(config.entity_types, config.relation_types)

    @cached_property
    def relation_numbers(self) -> Mapping[str, int]:
        return {relation.name: number for number, relation in enumerate(self.relation_types)}

    @cached_property
    def symmetric(self) -> frozenset[str]:
        return frozenset(relation.name for relation in self.relation_types if relation.symmetric)

    @cached_property
    def fitting(self) -> npt.NDArray[np.bool_]:
        """[head type, tail type, relation]: whether the relation may join them."""
        types = self.entity_types
        joins = [[[h in r.heads and t in r.tails for r in self.relation_types] for t in types] for h in types]
        return np.array(joins, dtype=bool).reshape(len(types), len(types), len(self.relation_types))

    def relation(self, name: str) -> RelationType:
        return self.relation_types[self.relation_numbers[name]]


@dataclass(frozen=True, slots=True)
class TagScheme:
    """How a data set names entities. A type it does not annotate is absent: there it is masked, never a negative."""

    types: Mapping[str, str]  # theirs -> ours, or AMBIGUOUS
    exhaustive: frozenset[str]  # of ours: where nothing is tagged there is none


@dataclass(frozen=True, slots=True)
class RelationScheme:
    """How a data set names relations."""

    direct: Mapping[str, str]  # theirs -> ours, same direction
    inverse: Mapping[str, str] = field(default_factory=dict)  # theirs -> ours, head and tail exchanged
    near: Mapping[str, str] = field(default_factory=dict)  # theirs -> ours that is masked on that pair: it may hold too
    exhaustive: bool = (
        False  # whether a pair without a fact has none; else only relations of the text's facts are known
    )

    def ours(self, theirs: str) -> str | None:
        return self.direct.get(theirs) or self.inverse.get(theirs)


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a data set is read."""

    tags: TagScheme
    relations: RelationScheme | None = None


def identity_scheme(labels: LabelSpace) -> Scheme:
    """A data set that uses the model's own names and annotates all of them: a team's own data."""
    names = {name: name for name in labels.entity_types}
    relations = RelationScheme({name: name for name in labels.relation_numbers}, exhaustive=True)
    return Scheme(TagScheme(names, frozenset(names)), relations if labels.relation_types else None)


def restricted(scheme: Scheme, labels: LabelSpace) -> Scheme:
    """The scheme without what the model has no type for."""
    types, names = {*labels.entity_types, AMBIGUOUS}, labels.relation_numbers
    tags = TagScheme(
        {theirs: ours for theirs, ours in scheme.tags.types.items() if ours in types},
        scheme.tags.exhaustive & frozenset(labels.entity_types),
    )
    if scheme.relations is None:
        return Scheme(tags)
    direct, inverse, near = (
        {theirs: ours for theirs, ours in table.items() if ours in names}
        for table in (scheme.relations.direct, scheme.relations.inverse, scheme.relations.near)
    )
    return Scheme(tags, RelationScheme(direct, inverse, near, scheme.relations.exhaustive))


def facts_of(
    facts: Iterator[tuple[int, int, str]], scheme: RelationScheme, labels: LabelSpace
) -> Iterator[tuple[int, int, str, bool]]:
    """From head cluster, tail cluster and their relation to ours, and whether it is only near to one of ours."""
    for head, tail, theirs in facts:
        if (name := scheme.near.get(theirs)) is not None:
            yield head, tail, name, True
        if (name := scheme.direct.get(theirs)) is not None:
            yield head, tail, name, False
            if name in labels.symmetric:
                yield tail, head, name, False
        if (name := scheme.inverse.get(theirs)) is not None:
            yield tail, head, name, False
