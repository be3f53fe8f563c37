"""Which letters are meant, and how positions and moments are written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import DeadLetter, FailedStep
from tests.fakes.letters import NOT_JSON
from tests.fakes.pipelines import incoming
from workers.deadletters.filters import LetterFilter, moment_ms
from workers.deadletters.letters import Letter, Position
from workers.enrich.outgoing import Outgoing
from workers.errors import ConfigurationError

CONTENT = DeadLetter.model_validate_json(
    Outgoing("enriched", "dead", 1_000, 1_000, "w").dead(incoming(b"{"), replace(NOT_JSON, document_id="d7")).value
    or b""
)
LETTER = Letter(Position("dead", 1, 7), 1_000, CONTENT)
STRANGER = Letter(Position("dead", 1, 8), 1_000, None)


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (LetterFilter(), True),
        (LetterFilter(stage=FailedStep.VALIDATE, code="invalid_json", id="d7", since_ms=1_000, until_ms=1_001), True),
        (LetterFilter(stage=FailedStep.MODEL), False),
        (LetterFilter(code="invalid"), False),
        (LetterFilter(id="d"), False),
        (LetterFilter(since_ms=1_001), False),
        (LetterFilter(until_ms=1_000), False),
        (LetterFilter(positions=frozenset({Position("dead", 1, 7), Position("dead", 0, 0)})), True),
        (LetterFilter(positions=frozenset({Position("dead", 0, 7)})), False),
        (LetterFilter(code="invalid_json", id="d8"), False),
    ],
)
def test_everything_that_is_asked_for_must_hold(wanted: LetterFilter, matches: bool) -> None:
    assert wanted.matches(LETTER) is matches


def test_a_record_that_is_no_letter_matches_only_what_asks_for_nothing_of_a_letter() -> None:
    assert LetterFilter(since_ms=0).matches(STRANGER)
    asked = [LetterFilter(stage=FailedStep.VALIDATE), LetterFilter(code="invalid_json"), LetterFilter(id="d7")]
    assert not any(wanted.matches(STRANGER) for wanted in asked)


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("2h", 1_000_000_000 - 7_200_000),
        ("90s", 1_000_000_000 - 90_000),
        ("1w", 1_000_000_000 - 604_800_000),
        ("1970-01-02", 86_400_000),
        ("1970-01-01T00:00:01Z", 1_000),
        ("1970-01-01T02:00:00.5+02:00", 500),
    ],
)
def test_a_moment_is_iso_8601_or_how_long_ago(text: str, expected_ms: int) -> None:
    assert moment_ms(text, now_ms=1_000_000_000) == expected_ms


@pytest.mark.parametrize("text", ["", "yesterday", "2 h", "-2h", "2h30m", "٢h"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not a time"):
        moment_ms(text, now_ms=0)


@given(topic=st.text("abc.-_", min_size=1), partition=st.integers(0, 10**6), offset=st.integers(0, 2**53))
def test_a_position_reads_back_as_it_is_written(topic: str, partition: int, offset: int) -> None:
    assert Position.parse(str(Position(topic, partition, offset))) == Position(topic, partition, offset)


@pytest.mark.parametrize("text", ["", "dead", "dead/1", "/1/2", "dead/1/-2", "dead/1/²", "dead/1/" + "9" * 5000])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not a position"):
        Position.parse(text)
