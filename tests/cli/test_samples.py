"""The sample documents of the demo: as many, as long and as varied as promised, and exactly two of them bad."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from importlib.resources import files

import pytest
from pydantic import ValidationError

from schemas import Document

SAMPLES = files("workers.cli") / "samples"
LINES = tuple((SAMPLES / "documents.jsonl").read_text(encoding="utf-8").splitlines())
BAD_LINES = tuple((SAMPLES / "bad.jsonl").read_text(encoding="utf-8").splitlines())
DOCUMENTS = {document.id: document for document in map(Document.model_validate_json, LINES)}
KINDS = {
    "news": 14,
    "support": 10,
    "minutes": 5,
    "biography": 4,
    "note": 3,
    "article": 2,
    "message": 1,
    "newsletter": 1,
    "table": 1,
    "report": 1,
}
BAD_IDS = ("bad-text-is-a-number", "bad-cut-off")


def texts(kind: str) -> list[str]:
    return [document.text for document in DOCUMENTS.values() if document.metadata["kind"] == kind]


def words(text: str) -> int:
    return len(text.split())


def test_every_sample_has_an_id_of_its_own() -> None:
    assert len(DOCUMENTS) == len(LINES)


def test_no_sample_has_a_field_the_schema_does_not_know() -> None:
    assert {document.id: document.unknown_fields for document in DOCUMENTS.values() if document.unknown_fields} == {}


def test_the_samples_are_of_the_promised_kinds() -> None:
    assert Counter(document.metadata["kind"] for document in DOCUMENTS.values()) == KINDS


def test_no_two_samples_have_the_same_text() -> None:
    """A cache hit in the demo's last line must come from the worker, not from a sample pasted twice."""
    assert len({document.text for document in DOCUMENTS.values()}) == len(DOCUMENTS)


@pytest.mark.parametrize(
    ("kind", "fewest", "most"), [("news", 120, 350), ("support", 60, 180), ("biography", 80, 150), ("note", 1, 20)]
)
def test_samples_of_a_kind_have_its_usual_length(kind: str, fewest: int, most: int) -> None:
    lengths = [words(text) for text in texts(kind)]
    assert fewest <= min(lengths)
    assert max(lengths) <= most


def test_the_report_is_long_enough_to_need_several_windows() -> None:
    assert 3_000 < words(DOCUMENTS["report-harbour-2026"].text) <= 3_600


def test_the_report_does_not_repeat_a_paragraph_to_become_long() -> None:
    paragraphs = [line for line in DOCUMENTS["report-harbour-2026"].text.splitlines() if line]
    assert len(set(paragraphs)) == len(paragraphs)


def test_the_message_still_has_its_combining_marks_and_emoji() -> None:
    """An editor that normalises on saving, or escapes, would quietly take the hard offsets out of the demo."""
    text = DOCUMENTS["message-from-zoe"].text
    assert "Zoe\N{COMBINING DIAERESIS}" in text
    assert not unicodedata.is_normalized("NFC", text)
    assert "\N{ZERO WIDTH JOINER}" in text
    assert "\N{EMOJI MODIFIER FITZPATRICK TYPE-4}" in text
    assert "\N{REGIONAL INDICATOR SYMBOL LETTER F}\N{REGIONAL INDICATOR SYMBOL LETTER I}" in text
    assert len(text.encode("utf-16-le")) // 2 > len(text)


def test_names_follow_the_first_emoji_of_the_message() -> None:
    """Names before every emoji would have right offsets in any unit."""
    text = DOCUMENTS["message-from-zoe"].text
    first_emoji = next(place for place, character in enumerate(text) if ord(character) > 0xFFFF)
    assert text.index("Chidi Okonkwo") > first_emoji
    assert text.index("Polar Kite Systems") > first_emoji


def test_one_sample_is_chinese() -> None:
    (document,) = (document for document in DOCUMENTS.values() if document.language == "zh")
    han = sum("CJK UNIFIED" in unicodedata.name(character, "") for character in document.text)
    assert han >= 200
    assert "," not in document.text, "Chinese text has full-width commas"


def test_one_sample_is_german() -> None:
    (document,) = (document for document in DOCUMENTS.values() if document.language == "de")
    assert 120 <= words(document.text) <= 200
    assert {"die", "und", "für", "wurde"} <= set(document.text.split())


def test_some_samples_leave_the_language_to_the_worker() -> None:
    assert 5 <= sum(document.language is None for document in DOCUMENTS.values()) <= len(DOCUMENTS) // 2


def test_the_newsletter_has_hard_wrapped_lines() -> None:
    (text,) = texts("newsletter")
    lines = text.splitlines()
    assert len(lines) > 20
    assert max(map(len, lines)) <= 60


def test_every_meeting_lists_decisions() -> None:
    for text in texts("minutes"):
        assert "Deci" in text
        assert any(line.startswith(("- ", "* ")) for line in text.splitlines())


def test_the_samples_are_readable_in_an_editor() -> None:
    """Escapes such as \\u4e66 would hide Chinese and emoji from a person who opens the file."""
    assert not any("\\u" in line for line in LINES)


@pytest.mark.parametrize("line", BAD_LINES, ids=BAD_IDS)
def test_a_bad_line_is_refused(line: str) -> None:
    with pytest.raises(ValidationError):
        Document.model_validate_json(line)


def test_exactly_two_lines_are_bad_each_in_its_own_way() -> None:
    """The demo shows two reasons: the first line is JSON with a wrong type, the second is no JSON at all."""
    wrong_type, cut_off = BAD_LINES
    assert json.loads(wrong_type)["id"] == BAD_IDS[0]
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut_off)
    assert BAD_IDS[1] in cut_off


def test_no_good_sample_is_named_bad() -> None:
    assert [name for name in DOCUMENTS if name.startswith("bad-")] == []
