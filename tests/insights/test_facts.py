"""Every record gives a fact: good ones, dead letters, sentinels, tombstones and what nobody can read."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Expectation, ExpectedEntity
from tests.fakes.enriched_records import dead, enriched, run_header
from workers.insights.facts import density, latency, power_of_two, read_dead, read_enriched, tenth

SENT_MS = 1_800_000_000_000
PUBLISHED_S = SENT_MS / 1_000 + 2.5


def test_a_document_adds_its_labels_entities_seconds_and_cache_hits() -> None:
    value = enriched().model_dump_json().encode()
    fact, content = read_enriched(value, dict(run_header(sent_ms=SENT_MS)), PUBLISHED_S)
    assert content == enriched()
    assert fact.counts["enriched"] == fact.counts["records"] == fact.counts["cache_hits"] == 1
    assert (fact.counts["entities"], fact.counts["relations"]) == (3, 1)
    assert fact.mixes["entity_types"] == {"PER": 2, "LOC": 1}
    assert fact.mixes["labels"] == {"science": 1}
    assert fact.mixes["models"] == {"default abababababab fp32": 1}
    assert fact.values == {"latency": 2.5, "step segment": 0.01, "step model": 0.2}
    assert "LOC\x1fLondon" in fact.names


def test_a_sentinel_is_counted_and_judged_and_kept_out_of_the_mixes() -> None:
    expected = Expectation(
        label="science",
        entities=(ExpectedEntity(type="LOC", text="London"), ExpectedEntity(type="ORG", text="Ada Lovelace")),
        language="de",
    )
    headers = {"sentinel": expected.model_dump_json().encode()}
    fact, _ = read_enriched(enriched().model_dump_json().encode(), headers, PUBLISHED_S)
    assert (fact.counts["sentinels"], fact.counts["sentinel_answers"], fact.counts["sentinel_right"]) == (1, 4, 2)
    assert (fact.mixes, fact.names) == ({}, ())


def test_a_forged_sentinel_is_a_document() -> None:
    fact, _ = read_enriched(enriched().model_dump_json().encode(), {"sentinel": b"\xff{"}, PUBLISHED_S)
    assert "sentinels" not in fact.counts
    assert fact.mixes["labels"]


def test_dead_letters_tombstones_and_unreadable_records() -> None:
    fact, letter = read_dead(dead(sent_ms=SENT_MS).model_dump_json().encode(), PUBLISHED_S)
    assert (fact.mixes, fact.values) == ({"reasons": {"validate/invalid_json": 1}}, {"latency": 2.5})
    assert letter is not None
    assert read_enriched(None, {}, PUBLISHED_S)[0].counts == {"records": 1, "tombstones": 1}
    assert read_enriched(b"{}", {}, PUBLISHED_S)[0].counts == {"records": 1, "unreadable": 1}
    assert read_dead(None, PUBLISHED_S)[0].counts == {"records": 1, "unreadable": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("timestamp_ms", "cache_hits", "cache_lookups", "seconds")


@given(st.binary(max_size=30) | st.builds(orjson.dumps, st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JSON))))
def test_no_header_can_break_the_counting(run: bytes) -> None:
    fact, _ = read_enriched(enriched().model_dump_json().encode(), {"enrich-run": run}, PUBLISHED_S)
    assert all(isinstance(number, int) and number >= 0 for number in fact.counts.values())
    assert all(value >= 0 for value in fact.values.values())


@pytest.mark.parametrize("sent", [None, True, "1", -1, SENT_MS * 1_000, 2**70])
def test_a_latency_that_makes_no_sense_is_none(sent: object) -> None:
    assert latency(PUBLISHED_S, sent) == {}


def test_buckets() -> None:
    assert [tenth(score) for score in (0, 0.099, 0.1, 0.95, 1)] == ["0.0", "0.0", "0.1", "0.9", "0.9"]
    assert [power_of_two(n) for n in (0, 1, 2, 3, 4, 1_000)] == ["0", "1", "2", "2", "4", "512"]
    assert [density(n, 1_000) for n in (0, 1, 3, 4, 500)] == ["0", "0", "4", "4", "30"]
