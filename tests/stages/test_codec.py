"""Results as bytes: read back exactly, and anything else is a miss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import StageName
from tests.fakes.models import answer_of
from workers.stages.codec import HEADER, TAGS, decode_result, encode_result
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    FoundEntity,
    FoundRelation,
    RelationsResult,
    StageResult,
    SummaryResult,
    WrittenSummary,
)

COUNTS = st.integers(0, 2**40)
SCORES = st.floats(allow_nan=False, allow_infinity=False)
ENTITIES = st.lists(st.builds(FoundEntity, st.text(max_size=8), COUNTS, COUNTS, SCORES), max_size=5).map(tuple)


@st.composite
def relations_results(draw: st.DrawFn) -> RelationsResult:
    entities = draw(ENTITIES)
    index = st.integers(0, max(0, len(entities) - 1))
    found = st.lists(st.builds(FoundRelation, st.text(max_size=8), index, index, SCORES), max_size=5)
    return RelationsResult(entities, tuple(draw(found)) if entities else ())


@st.composite
def summary_results(draw: st.DrawFn) -> SummaryResult:
    count, width = draw(st.integers(0, 4)), draw(st.integers(0, 6))
    data = draw(st.binary(min_size=count * width, max_size=count * width))
    return SummaryResult(
        tuple(draw(st.lists(SCORES, min_size=count, max_size=count))),
        np.frombuffer(data, dtype=np.int8).reshape(count, width),
        tuple(draw(st.lists(COUNTS, min_size=count, max_size=count))),
    )


RESULTS: st.SearchStrategy[tuple[StageName, StageResult]] = st.one_of(
    st.tuples(st.just(StageName.ENTITIES), st.builds(EntitiesResult, ENTITIES)),
    st.tuples(st.just(StageName.RELATIONS), relations_results()),
    st.tuples(
        st.just(StageName.CLASSIFICATION),
        st.builds(ClassificationResult, st.lists(SCORES, max_size=9).map(tuple), COUNTS),
    ),
    st.tuples(st.just(StageName.SUMMARY), summary_results()),
    st.tuples(st.just(StageName.SUMMARY), st.builds(WrittenSummary, st.text(max_size=40), st.booleans())),
)


@given(RESULTS)
def test_a_result_is_read_back_exactly(case: tuple[StageName, StageResult]) -> None:
    stage, result = case
    again = decode_result(stage, encode_result(result))
    assert again == result
    assert again is not None
    assert encode_result(again) == encode_result(result)


@given(RESULTS, st.sampled_from(StageName))
def test_a_result_of_another_stage_is_a_miss(case: tuple[StageName, StageResult], asked: StageName) -> None:
    stage, result = case
    assert (decode_result(asked, encode_result(result)) is None) == (asked is not stage)


@given(RESULTS, st.data())
def test_a_cut_or_lengthened_result_is_a_miss(case: tuple[StageName, StageResult], data: st.DataObject) -> None:
    stage, result = case
    encoded = encode_result(result)
    assert decode_result(stage, encoded[: data.draw(st.integers(0, len(encoded) - 1))]) is None
    assert decode_result(stage, encoded + b"\x00") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(StageName), JSON, st.binary(max_size=8))
def test_other_content_never_raises(stage: StageName, content: object, tail: bytes) -> None:
    body = repr(content).replace("None", "null").replace("'", '"').encode("utf-8", "replace")
    decode_result(stage, HEADER.pack(TAGS[stage], len(body)) + body + tail)


@pytest.mark.parametrize(
    ("stage", "body"),
    [
        (StageName.ENTITIES, b'[["person",0,3,null]]'),
        (StageName.ENTITIES, b'[["person",0,3,1]]'),
        (StageName.ENTITIES, b'[["person",-1,3,0.5]]'),
        (StageName.ENTITIES, b'[["person",true,3,0.5]]'),
        (StageName.ENTITIES, b"[[7,0,3,0.5]]"),
        (StageName.RELATIONS, b'[[],[["knows",0,0,0.5]]]'),
        (StageName.RELATIONS, b'[[["person",0,3,0.5]],[["knows",0,-1,0.5]]]'),
        (StageName.CLASSIFICATION, b"[[0.5],0.5]"),
        (StageName.SUMMARY, b"[[0.5],[3],[2,0]]"),
        (StageName.SUMMARY, b"[[],[],[0,18446744073709551615]]"),
        (StageName.SUMMARY, b"not json"),
    ],
)
def test_content_that_no_stage_makes_is_a_miss(stage: StageName, body: bytes) -> None:
    assert decode_result(stage, HEADER.pack(TAGS[stage], len(body)) + body) is None


def test_content_of_another_stage_is_a_miss_even_if_it_would_read_as_the_one_asked_for() -> None:
    assert decode_result(StageName.ENTITIES, HEADER.pack(TAGS[StageName.ENTITIES], 2) + b"[]") is not None
    assert decode_result(StageName.ENTITIES, HEADER.pack(TAGS[StageName.RELATIONS], 2) + b"[]") is None


def test_the_oracles_answers_survive() -> None:
    for stage, result in answer_of("Ada met Bob.", sentences=2).items():
        assert decode_result(stage, encode_result(result)) == result


def test_a_usual_result_is_small() -> None:
    """Ten entities in under 400 bytes: a million windows then fit a Redis of one gigabyte with all stages but one."""
    entities = tuple(FoundEntity("organization", 10 * n, 10 * n + 7, 0.9876) for n in range(10))
    assert len(encode_result(EntitiesResult(entities))) < 400
