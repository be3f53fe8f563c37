"""Which of a model's types a data set's names mean: told by the user, the same name, or a known other name for it.

The one place where evaluation meets the label tables of training. What has no counterpart is not scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from workers.errors import ConfigurationError
from workers.lifecycle.aliases import ENTITY_GROUPS, INVERSE_RELATION_NAMES, RELATION_NAMES, folded
from workers.lifecycle.labels import RELATION_SCHEMES
from workers.lifecycle.labelspace import LabelSpace
from workers.lifecycle.recipe_file import read_recipe_file
from workers.settings import FrozenSettings


class LabelMap(FrozenSettings):
    """What a user says about the names of a data set; null leaves a name out of the scores."""

    entities: dict[str, str | None] = Field(default_factory=dict, description="entity type: the model's")
    relations: dict[str, str | None] = Field(default_factory=dict, description="relation: the model's")
    inverse: dict[str, str] = Field(
        default_factory=dict, description="relation: the model's, with head and tail exchanged"
    )
    labels: dict[str, str] = Field(default_factory=dict, description="label: the one that the model was trained for")


@dataclass(frozen=True, slots=True)
class Naming:
    """The names of a data set as a model's."""

    entities: Mapping[str, str]
    relations: Mapping[str, str]  # same direction
    inverse: Mapping[str, str]  # head and tail exchanged
    unknown: tuple[str, ...]  # names without counterpart, which are not scored

    def relation(self, theirs: str) -> str | None:
        return self.relations.get(theirs) or self.inverse.get(theirs)


def read_map(path: Path) -> LabelMap:
    """Raises ConfigurationError, one line, for a file that does not say what a map may say."""
    return read_recipe_file(path, LabelMap, see="entities, relations, inverse and labels in `enrich evaluate --help`")


def name_types(
    entities: Iterable[str], relations: Iterable[str], labels: LabelSpace, told: LabelMap | None = None
) -> Naming:
    """Raises ConfigurationError if the user names a type that the model does not have."""
    told = told or LabelMap()
    _check_targets(told, labels)
    ours = {name: entity_name(name, labels.entity_types, told) for name in sorted(set(entities))}
    same: dict[str, str] = {}
    inverse: dict[str, str] = {}
    unknown = [name for name, found in ours.items() if found is None]
    for name in sorted(set(relations)):
        found, turned = relation_name(name, labels, told)
        if found is None:
            unknown.append(name)
        else:
            (inverse if turned else same)[name] = found
    return Naming({name: found for name, found in ours.items() if found}, same, inverse, tuple(unknown))


def entity_name(theirs: str, types: tuple[str, ...], told: LabelMap) -> str | None:
    if theirs in told.entities:
        return told.entities[theirs]
    if theirs in types:
        return theirs
    equal = [name for name in types if folded(name) == folded(theirs)]
    group = ENTITY_GROUPS.get(folded(theirs))
    kin = [name for name in types if group is not None and ENTITY_GROUPS.get(folded(name)) == group]
    return next(iter(equal or (kin if len(kin) == 1 else [])), None)


def relation_name(theirs: str, labels: LabelSpace, told: LabelMap) -> tuple[str | None, bool]:
    """The model's relation, and whether it runs the other way."""
    if theirs in told.inverse:
        return told.inverse[theirs], True
    if theirs in told.relations:
        return told.relations[theirs], False
    equal = [name for name in labels.relation_numbers if folded(name) == folded(theirs)]
    if theirs in labels.relation_numbers or equal:
        return (theirs if theirs in labels.relation_numbers else equal[0]), False
    same, turned = _known_relations()
    for table, inverse in ((same, False), (turned, True)):
        name = table.get(folded(theirs))
        if name in labels.relation_numbers:
            return name, inverse
    return None, False


def _known_relations() -> tuple[dict[str, str], dict[str, str]]:
    same, inverse = dict(RELATION_NAMES), dict(INVERSE_RELATION_NAMES)
    for scheme in RELATION_SCHEMES.values():
        same |= {folded(theirs): ours for theirs, ours in scheme.direct.items()}
        inverse |= {folded(theirs): ours for theirs, ours in scheme.inverse.items()}
    return same, inverse


def _check_targets(told: LabelMap, labels: LabelSpace) -> None:
    for kind, named, there in (
        ("entity type", told.entities.values(), labels.entity_types),
        ("relation", [*told.relations.values(), *told.inverse.values()], tuple(labels.relation_numbers)),
    ):
        wrong = sorted({name for name in named if name is not None and name not in there})
        if wrong:
            raise ConfigurationError(
                f"--map: the model has no {kind} {', '.join(wrong)}: it has {', '.join(there) or 'none'}"
            )
