"""What the packaged model can say, and how each data set's labels are read as its own: tables to look up."""

from __future__ import annotations

from collections.abc import Mapping

from workers.lifecycle.labelspace import (
    AMBIGUOUS,
    LabelSpace,
    RelationScheme,
    Scheme,
    TagScheme,
    identity_scheme,
    restricted,
)
from workers.models.config import RelationType

ENTITY_TYPES = ("PER", "ORG", "LOC", "MISC", "DATE", "NUMBER")

RELATION_TYPES = (
    RelationType(name="born_in", heads=("PER",), tails=("LOC",)),
    RelationType(name="date_of_birth", heads=("PER",), tails=("DATE",)),
    RelationType(name="died_in", heads=("PER",), tails=("LOC",)),
    RelationType(name="date_of_death", heads=("PER",), tails=("DATE",)),
    RelationType(name="citizen_of", heads=("PER",), tails=("LOC",)),
    RelationType(name="lives_in", heads=("PER",), tails=("LOC",)),
    RelationType(name="spouse", heads=("PER",), tails=("PER",), symmetric=True),
    RelationType(name="child_of", heads=("PER",), tails=("PER",)),
    RelationType(name="sibling", heads=("PER",), tails=("PER",), symmetric=True),
    RelationType(name="educated_at", heads=("PER",), tails=("ORG",)),
    RelationType(name="employee_or_member_of", heads=("PER",), tails=("ORG",)),
    RelationType(name="political_party", heads=("PER",), tails=("ORG",)),
    RelationType(name="leader_of", heads=("PER",), tails=("ORG", "LOC")),
    RelationType(name="award_received", heads=("PER",), tails=("MISC",)),
    RelationType(name="participant_in", heads=("PER", "ORG", "LOC"), tails=("MISC",)),
    RelationType(name="created_by", heads=("MISC",), tails=("PER", "ORG")),
    RelationType(name="performed_by", heads=("MISC",), tails=("PER", "ORG")),
    RelationType(name="published_on", heads=("MISC",), tails=("DATE",)),
    RelationType(name="headquartered_in", heads=("ORG",), tails=("LOC",)),
    RelationType(name="founded_by", heads=("ORG",), tails=("PER",)),
    RelationType(name="founded_on", heads=("ORG", "LOC"), tails=("DATE",)),
    RelationType(name="subsidiary_of", heads=("ORG",), tails=("ORG",)),
    RelationType(name="located_in", heads=("LOC", "ORG"), tails=("LOC",)),
    RelationType(name="capital_of", heads=("LOC",), tails=("LOC",)),
    RelationType(name="part_of", heads=("ORG", "LOC", "MISC"), tails=("ORG", "LOC", "MISC")),
)

PACKAGED = LabelSpace(ENTITY_TYPES, RELATION_TYPES)

_PLO = frozenset({"PER", "ORG", "LOC"})
_CONLL = {"PER": "PER", "ORG": "ORG", "LOC": "LOC", "MISC": "MISC"}
_CROSSNER = {
    **dict.fromkeys(("person", "politician", "scientist", "writer", "researcher", "musicalartist"), "PER"),
    **dict.fromkeys(("organisation", "politicalparty", "university", "band"), "ORG"),
    **dict.fromkeys(("location", "country"), "LOC"),
    **dict.fromkeys(
        ("misc", "event", "award", "book", "poem", "song", "album", "magazine", "election", "academicjournal"), "MISC"
    ),
    **dict.fromkeys(("conference", "product", "programlang"), "MISC"),
}
_CROSSNER_TERMS = (
    *("field", "task", "algorithm", "metrics", "literarygenre", "musicgenre", "musicalinstrument", "discipline"),
    *("chemicalcompound", "chemicalelement", "protein", "enzyme", "theory", "astronomicalobject"),
)

TAG_SCHEMES: Mapping[str, TagScheme] = {
    "uner_ewt": TagScheme(_CONLL, _PLO),
    "btc": TagScheme(_CONLL, _PLO),
    "wikigold": TagScheme(_CONLL, _PLO | {"MISC"}),
    "wnut17": TagScheme(
        {
            "person": "PER",
            "location": "LOC",
            "group": "ORG",
            "corporation": "ORG",
            "creative-work": "MISC",
            "product": "MISC",
        },
        _PLO | {"MISC"},
    ),
    "crossner": TagScheme(_CROSSNER | dict.fromkeys(_CROSSNER_TERMS, AMBIGUOUS), _PLO | {"MISC"}),
    "redocred": TagScheme(_CONLL | {"TIME": "DATE", "NUM": "NUMBER"}, frozenset(ENTITY_TYPES)),
    "knowledgenet": TagScheme(_CONLL | {"DATE": "DATE"}, frozenset()),
    "fewrel": TagScheme({}, frozenset()),
}


_CREATORS = ("author", "creator", "composer", "director", "screenwriter", "producer", "lyrics by", "developer")

RELATION_SCHEMES: Mapping[str, RelationScheme] = {
    "redocred": RelationScheme(
        exhaustive=True,
        direct={
            "place of birth": "born_in",
            "P569": "date_of_birth",
            "place of death": "died_in",
            "P570": "date_of_death",
            "country of citizenship": "citizen_of",
            "residence": "lives_in",
            "spouse": "spouse",
            "father": "child_of",
            "mother": "child_of",
            "sibling": "sibling",
            "educated at": "educated_at",
            "employer": "employee_or_member_of",
            "member of": "employee_or_member_of",
            "member of sports team": "employee_or_member_of",
            "military branch": "employee_or_member_of",
            "member of political party": "political_party",
            "award received": "award_received",
            "participant of": "participant_in",
            "conflict": "participant_in",
            **dict.fromkeys(_CREATORS, "created_by"),
            "performer": "performed_by",
            "cast member": "performed_by",
            "P577": "published_on",
            "headquarters location": "headquartered_in",
            "founded by": "founded_by",
            "P571": "founded_on",
            "parent organization": "subsidiary_of",
            "located in the administrative territorial entity": "located_in",
            "country": "located_in",
            "capital of": "capital_of",
            "part of": "part_of",
        },
        inverse={
            "child": "child_of",
            "head of government": "leader_of",
            "head of state": "leader_of",
            "chairperson": "leader_of",
            "participant": "participant_in",
            "notable work": "created_by",
            "subsidiary": "subsidiary_of",
            "contains administrative territorial entity": "located_in",
            "capital": "capital_of",
            "has part": "part_of",
        },
        near={
            "owned by": "subsidiary_of",
            "work location": "lives_in",
            "location of formation": "headquartered_in",
            "continent": "located_in",
            "located on terrain feature": "located_in",
            "located in or next to body of water": "located_in",
            "basin country": "located_in",
            "production company": "created_by",
            "publisher": "created_by",
            "manufacturer": "created_by",
            "position held": "leader_of",
            "religion": "employee_or_member_of",
        },
    ),
    "knowledgenet": RelationScheme(
        direct={
            "PLACE_OF_BIRTH": "born_in",
            "DATE_OF_BIRTH": "date_of_birth",
            "DATE_OF_DEATH": "date_of_death",
            "NATIONALITY": "citizen_of",
            "PLACE_OF_RESIDENCE": "lives_in",
            "SPOUSE": "spouse",
            "CHILD_OF": "child_of",
            "EDUCATED_AT": "educated_at",
            "EMPLOYEE_OR_MEMBER_OF": "employee_or_member_of",
            "POLITICAL_AFFILIATION": "political_party",
            "HEADQUARTERS": "headquartered_in",
            "FOUNDED_BY": "founded_by",
            "DATE_FOUNDED": "founded_on",
            "SUBSIDIARY_OF": "subsidiary_of",
        },
        inverse={"CEO": "leader_of"},
    ),
    "fewrel": RelationScheme(direct={"spouse": "spouse", "mother": "child_of"}, inverse={"child": "child_of"}),
}


def scheme_of(source: str, labels: LabelSpace) -> Scheme:
    """How a data set is read, by the name of its file: the sets known here by the tables above, as far as the model has
    their types; any other as one that uses the model's own names and annotates them all."""
    family = source.split(".")[0]
    if family.startswith(("crossner", "redocred", "fewrel")):
        family = family.split("_")[0]
    if family not in TAG_SCHEMES:
        return identity_scheme(labels)
    return restricted(Scheme(TAG_SCHEMES[family], RELATION_SCHEMES.get(family)), labels)
