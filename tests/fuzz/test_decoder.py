"""Any payload has one outcome, and it is true; whatever it is, it costs no more than its length allows."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.outcome import outcome_of
from tests.fuzz.payloads import PIECES, PLAIN, payloads
from workers.enrich.validate import validate
from workers.settings import LimitSettings
from workers.transport.base import Headers, IncomingRecord, Partition

LARGE_BYTES, SMALL_BYTES = 1_000_000, 125_000
MOST_GROWTH = 32.0  # for eight times the bytes; 8 is linear, 64 is quadratic
MOST_PRICE = 64.0  # of a plain document of the same size; 16 was the worst of 200 kinds, about 65 ms a megabyte
STARTS = (b"", b'{"id":"a","text":"', b'{"id":"a","text":7,"zz":[', b'{"id":"a","text":"b","metadata":{')

hostile = st.binary(max_size=100) | st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=60).map(b"".join)


@given(hostile, st.sampled_from([(), PLAIN]))
def test_any_bytes_have_one_outcome(value: bytes, headers: Headers) -> None:
    outcome_of(value, headers)


def test_mutated_documents_have_one_outcome_and_reach_every_limit() -> None:
    outcomes = {outcome_of(value, headers) for value, headers in payloads(4_000, seed=5)}
    limits = {"record_too_large", "json_too_deep", "json_too_large", "text_too_long"}
    assert outcomes >= limits | {"document", "duplicate_key", "invalid_unicode"}


def cost_s(value: bytes) -> float:
    """The best of some, of this thread's own time: what else the machine does counts for little."""
    record = IncomingRecord(Partition("documents", 0), 0, None, b"key", value)
    best = float("inf")
    for _ in range(4):
        before_s = time.thread_time()
        validate(record, LimitSettings())
        best = min(best, time.thread_time() - before_s)
    return best


@pytest.mark.parametrize(
    "unit", [b'"', b'\\"', b'"",', b"[", b"[],", b'{"', b":", b'"a":1,', b"1e999,", b"9" * 4_000 + b",", b"\\ud800"]
)
def test_the_cost_grows_with_the_length_and_not_with_its_square(unit: bytes) -> None:
    plain_s = cost_s(json.dumps({"id": "a", "text": "x" * (LARGE_BYTES - 30)}).encode())
    for start in STARTS:
        small_s, large_s = (cost_s((start + unit * (size // len(unit)))[:size]) for size in (SMALL_BYTES, LARGE_BYTES))
        assert large_s < max(MOST_GROWTH * small_s, plain_s), (start, small_s, large_s)
        assert large_s < MOST_PRICE * plain_s, (start, plain_s, large_s)
