"""Other people's names find the model's types, and only where that is beyond doubt."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.errors import ConfigurationError
from workers.lifecycle.labels import PACKAGED, RELATION_SCHEMES, TAG_SCHEMES
from workers.lifecycle.labelspace import AMBIGUOUS, LabelSpace
from workers.lifecycle.naming import LabelMap, name_types, read_map

DRUGS = LabelSpace(("DRUG", "Person", "Company", "University"), ())


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("person", "PER"),
        ("GPE", "LOC"),
        ("creative-work", "MISC"),
        ("TIME", "DATE"),
        ("NUM", "NUMBER"),
        ("Peop", "PER"),
    ],
)
def test_well_known_names_are_the_packaged_models_types(theirs: str, ours: str) -> None:
    assert name_types([theirs], [], PACKAGED).entities == {theirs: ours}


def test_the_models_own_names_come_first_and_doubt_is_not_resolved() -> None:
    naming = name_types(["DRUG", "PER", "university", "organization", "gene"], [], DRUGS)
    assert naming.entities == {"DRUG": "DRUG", "PER": "Person", "university": "University"}
    assert naming.unknown == ("gene", "organization")


def test_names_mean_in_evaluation_what_they_mean_in_training() -> None:
    for family, scheme in TAG_SCHEMES.items():
        wanted = {theirs: ours for theirs, ours in scheme.types.items() if ours != AMBIGUOUS}
        assert name_types(wanted, [], PACKAGED).entities == wanted, family
        unsure = [theirs for theirs, ours in scheme.types.items() if ours == AMBIGUOUS]
        assert name_types(unsure, [], PACKAGED).entities == {}
    for family, relations in RELATION_SCHEMES.items():
        naming = name_types([], [*relations.direct, *relations.inverse, *relations.near], PACKAGED)
        assert (naming.relations, naming.inverse) == (relations.direct, relations.inverse), family


def test_a_map_has_the_last_word(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("entities: {person: MISC, city: null}\nrelations: {spouse: null}\ninverse: {boss: leader_of}\n")
    naming = name_types(["person", "city", "LOC"], ["spouse", "boss", "P26"], PACKAGED, read_map(path))
    assert naming.entities == {"person": "MISC", "LOC": "LOC"}
    assert (naming.relations, naming.inverse) == ({"P26": "spouse"}, {"boss": "leader_of"})
    assert naming.unknown == ("city", "spouse")


@pytest.mark.parametrize("told", [LabelMap(entities={"a": "GENE"}), LabelMap(inverse={"a": "no_such"})])
def test_a_map_to_a_type_that_is_not_there_is_refused(told: LabelMap) -> None:
    with pytest.raises(ConfigurationError, match="--map"):
        name_types(["a"], ["a"], PACKAGED, told)


@pytest.mark.parametrize("content", ["entity: {}", "entities: [", "entities: 3", "[1]"])
def test_a_map_that_cannot_be_read_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "map.yaml").write_text(content)
    with pytest.raises(ConfigurationError) as error:
        read_map(tmp_path / "map.yaml")
    assert "\n" not in str(error.value)
