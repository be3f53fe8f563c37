"""Other people's names for the types that models commonly have. Tables only; names are looked up by `naming`.

Keys are folded: lower case, letters and digits alone.
"""

from __future__ import annotations

from collections.abc import Mapping


def folded(name: str) -> str:
    """`PLACE_OF_BIRTH`, `place of birth` and `placeOfBirth` are one name."""
    return "".join(character for character in name.casefold() if character.isalnum())


_ENTITY_NAMES: Mapping[str, tuple[str, ...]] = {
    "PER": (
        *("per", "person", "persons", "people", "peop", "human", "politician", "scientist", "writer", "researcher"),
        *("musicalartist", "artist", "actor", "athlete", "author", "director"),
    ),
    "ORG": (
        *("org", "organization", "organisation", "company", "corporation", "corp", "group", "politicalparty"),
        *("university", "band", "agency", "institution", "government", "sportsteam"),
    ),
    "LOC": ("loc", "location", "place", "gpe", "geoloc", "geo", "country", "city", "state", "fac", "facility"),
    "MISC": (
        *("misc", "miscellaneous", "other", "norp", "event", "product", "prod", "creativework", "work", "workofart"),
        *("award", "book", "poem", "song", "album", "magazine", "election", "academicjournal", "conference"),
        *("programlang", "movie", "tvshow", "language", "law"),
    ),
    "DATE": ("date", "time", "tim", "year"),
    "NUMBER": ("number", "num", "cardinal", "ordinal", "quantity", "percent", "money"),
}
ENTITY_GROUPS: Mapping[str, str] = {name: group for group, names in _ENTITY_NAMES.items() for name in names}

# Wikidata's property numbers, and names of well-known test sets.
RELATION_NAMES: Mapping[str, str] = {
    "p19": "born_in",
    "p569": "date_of_birth",
    "p20": "died_in",
    "p570": "date_of_death",
    "p27": "citizen_of",
    "p551": "lives_in",
    "p26": "spouse",
    "p22": "child_of",
    "p25": "child_of",
    "p3373": "sibling",
    "p69": "educated_at",
    "p108": "employee_or_member_of",
    "p463": "employee_or_member_of",
    "p54": "employee_or_member_of",
    "p102": "political_party",
    "p166": "award_received",
    "p1344": "participant_in",
    "p50": "created_by",
    "p57": "created_by",
    "p86": "created_by",
    "p170": "created_by",
    "p175": "performed_by",
    "p161": "performed_by",
    "p577": "published_on",
    "p159": "headquartered_in",
    "p112": "founded_by",
    "p571": "founded_on",
    "p749": "subsidiary_of",
    "p131": "located_in",
    "p17": "located_in",
    "p361": "part_of",
    "livein": "lives_in",
    "workfor": "employee_or_member_of",
    "orgbasedin": "headquartered_in",
    "bornin": "born_in",
    "marriedto": "spouse",
    "worksfor": "employee_or_member_of",
    "memberof": "employee_or_member_of",
    "basedin": "headquartered_in",
    "foundedin": "founded_on",
}
INVERSE_RELATION_NAMES: Mapping[str, str] = {
    "p40": "child_of",
    "p6": "leader_of",
    "p35": "leader_of",
    "p488": "leader_of",
    "p710": "participant_in",
    "p800": "created_by",
    "p355": "subsidiary_of",
    "p150": "located_in",
    "p36": "capital_of",
    "p527": "part_of",
    "parentof": "child_of",
}
