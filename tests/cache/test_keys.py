"""Names of results: everything that can change an answer changes its name, and nothing else does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import StageName
from tests.fakes.models import window_of
from workers.cache.keys import PREFIX, KeyMaker, StageIdentity, join_fields, result_key, window_input

IDENTITY = StageIdentity(StageName.ENTITIES, "f00d", "default", "ab" * 32, "fp32", "0.1.0")
WINDOW = window_of("Ada met Bob in Paris.")


def name_of(window_bytes: bytes = window_input(WINDOW), identity: StageIdentity = IDENTITY, secret: str = "s") -> str:
    return result_key(window_bytes, identity, secret=secret)


@given(st.lists(st.binary(max_size=4), max_size=5), st.lists(st.binary(max_size=4), max_size=5))
def test_different_fields_are_never_the_same_bytes(first: list[bytes], second: list[bytes]) -> None:
    assert (join_fields(first) == join_fields(second)) == (first == second)


SHORT = st.text(alphabet="ab\x1f", max_size=3)
IDENTITIES = st.builds(StageIdentity, st.sampled_from(StageName), SHORT, SHORT, SHORT, SHORT, SHORT)


@given(IDENTITIES, IDENTITIES, st.binary(max_size=3), st.binary(max_size=3))
def test_names_are_equal_only_if_identity_and_input_are(
    first: StageIdentity, second: StageIdentity, first_input: bytes, second_input: bytes
) -> None:
    same = (first, first_input) == (second, second_input)
    assert (name_of(first_input, first) == name_of(second_input, second)) == same


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(StageIdentity)])
def test_every_field_of_the_identity_changes_the_name(field: str) -> None:
    value = StageName.SUMMARY if field == "stage" else "other"
    assert name_of(identity=dataclasses.replace(IDENTITY, **{field: value})) != name_of()  # type: ignore[arg-type]


def test_the_secret_changes_the_name() -> None:
    assert name_of(secret="other") != name_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "Ada met Bob in Parma."},
        {"sentences": ((0, 3), (4, 21))},
        {"sentences": ()},
        {"shared": 4},
        {"tokens": WINDOW.tokens.between(0, 7)},
        {"tokens": dataclasses.replace(WINDOW.tokens, ids=WINDOW.tokens.ids + 1)},
        {"tokens": dataclasses.replace(WINDOW.tokens, words=np.zeros(5, dtype=np.int32))},
    ],
)
def test_everything_a_model_may_look_at_changes_the_input(changes: dict[str, object]) -> None:
    assert window_input(dataclasses.replace(WINDOW, **changes)) != window_input(WINDOW)  # type: ignore[arg-type]


def test_where_a_window_lies_in_its_document_does_not_change_the_input() -> None:
    later = dataclasses.replace(WINDOW.tokens, words=WINDOW.tokens.words + 100)
    assert window_input(dataclasses.replace(WINDOW, start=500, tokens=later)) == window_input(WINDOW)


def test_a_window_without_tokens_has_a_name() -> None:
    assert window_input(window_of("")) != window_input(window_of(" "))


def test_a_key_maker_names_one_result_per_stage_as_the_plain_function_does() -> None:
    identities = [dataclasses.replace(IDENTITY, stage=stage) for stage in StageName]
    names = KeyMaker(identities, secret="s").of(WINDOW)
    assert names == tuple(name_of(identity=identity) for identity in identities)
    assert all(name.startswith(PREFIX) and len(name) == len(PREFIX) + 32 for name in names)


def test_names_stay_the_same_from_release_to_release() -> None:
    """A change here empties every cache: raise the number in PREFIX and note it in the release."""
    assert name_of(b"input") == "enrich:1:8747f5bd82a2224b14bcf9c230057367"
