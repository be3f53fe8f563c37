"""Laws of choosing a batch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.batching.policy import (
    CPU_LIMIT,
    GPU_LIMIT,
    BatchLimit,
    Bucket,
    Buckets,
    Turn,
    Waiting,
    choose_bucket,
    due,
    limit_for,
)

OBJECTIVE_S = 0.005
AREAS = st.sampled_from([8, 16, 24, 256, 300])
LIMITS = st.builds(BatchLimit, max_items=st.integers(1, 6), max_padded_tokens=st.integers(1, 600))
ARRIVALS = st.lists(st.tuples(AREAS, st.sampled_from([0.0, 0.001, 0.004, 0.02])), max_size=40)


def filled(arrivals: Sequence[tuple[int, float]], *, padded: bool = True) -> tuple[Buckets[int], float]:
    """Buckets with items 0, 1, 2, ... that came one after the other, and the time after the last."""
    buckets: Buckets[int] = Buckets(padded=padded)
    now_s = 0.0
    for item, (area, pause_s) in enumerate(arrivals):
        now_s += pause_s
        buckets.add(item, area=area, due_s=now_s + OBJECTIVE_S)
    return buckets, now_s


def bucket(*, area: int, count: int, first: Turn) -> Bucket:
    return Bucket(key=area, area=area, count=count, tokens=count * area, first=first)


def drained(buckets: Buckets[int], limit: BatchLimit, now_s: float) -> list[list[Waiting[int]]]:
    batches = []
    while batch := buckets.take_batch(limit, now_s=now_s):
        batches.append(batch)
    return batches


@given(ARRIVALS, LIMITS)
def test_every_item_is_sent_exactly_once(arrivals: list[tuple[int, float]], limit: BatchLimit) -> None:
    buckets, now_s = filled(arrivals)
    sent = [entry.item for batch in drained(buckets, limit, now_s) for entry in batch]
    assert sorted(sent) == list(range(len(arrivals)))
    assert len(buckets) == 0


@given(ARRIVALS, LIMITS)
def test_a_batch_has_one_padded_length_and_keeps_the_limits(
    arrivals: list[tuple[int, float]], limit: BatchLimit
) -> None:
    buckets, now_s = filled(arrivals)
    for batch in drained(buckets, limit, now_s):
        assert {entry.area for entry in batch} == {arrivals[batch[0].item][0]}
        assert len(batch) <= limit.max_items
        assert len(batch) == 1 or len(batch) * batch[0].area <= limit.max_padded_tokens


@given(ARRIVALS, LIMITS)
def test_a_batch_is_as_full_as_its_bucket_and_the_limits_allow(
    arrivals: list[tuple[int, float]], limit: BatchLimit
) -> None:
    buckets, now_s = filled(arrivals)
    while len(buckets):
        before = {bucket.area: bucket.count for bucket in buckets}
        batch = buckets.take_batch(limit, now_s=now_s)
        assert len(batch) == min(before[batch[0].area], limit.items(batch[0].area))


@given(ARRIVALS, LIMITS)
def test_items_of_one_length_leave_in_the_order_they_came(arrivals: list[tuple[int, float]], limit: BatchLimit) -> None:
    buckets, now_s = filled(arrivals)
    sent = [entry for batch in drained(buckets, limit, now_s) for entry in batch]
    for area in {entry.area for entry in sent}:
        numbers = [entry.turn.number for entry in sent if entry.area == area]
        assert numbers == sorted(numbers)


@given(st.none() | st.floats(-1e6, 1e6), st.floats(0, 1e3), st.floats(0, 1e6))
def test_a_due_time_is_never_past_and_never_later_than_for_what_is_made_now(
    made_s: float | None, objective_s: float, now_s: float
) -> None:
    due_s = due(made_s, objective_s=objective_s, now_s=now_s)
    assert now_s <= due_s <= now_s + objective_s
    assert due_s <= due(now_s, objective_s=objective_s, now_s=now_s)


@given(st.lists(st.tuples(AREAS, st.sampled_from([0.0, 0.002, 0.005, 0.03])), max_size=40), LIMITS)
def test_what_is_due_first_goes_before_all_others_of_every_length(
    arrivals: list[tuple[int, float]], limit: BatchLimit
) -> None:
    buckets: Buckets[int] = Buckets()
    for item, (area, due_s) in enumerate(arrivals):
        buckets.add(item, area=area, due_s=due_s)
    now_s = 0.01
    while len(buckets):
        first = min(buckets, key=lambda bucket: bucket.first)
        batch = buckets.take_batch(limit, now_s=now_s)
        assert batch == sorted(batch)
        if first.first.due_s <= now_s:
            assert batch[0].turn == first.first


@given(LIMITS, AREAS, st.integers(0, 20), st.sampled_from([None, 0.0, -1e9]))
def test_a_lone_item_is_not_starved_by_full_batches_that_keep_coming_from_however_long_ago(
    limit: BatchLimit, lone_area: int, ahead: int, made_s: float | None
) -> None:
    """Every batch takes 4 ms and meanwhile a full batch of another length arrives, late already or not."""
    buckets: Buckets[str] = Buckets()
    for _ in range(ahead):
        buckets.add("ahead", area=40, due_s=OBJECTIVE_S)
    buckets.add("lone", area=lone_area, due_s=OBJECTIVE_S)
    now_s = 0.0
    for _ in range(ahead + 2 * limit.items(48) + 6):
        for _ in range(limit.items(48)):
            buckets.add("flood", area=48, due_s=due(made_s, objective_s=OBJECTIVE_S, now_s=now_s))
        batch = buckets.take_batch(limit, now_s=now_s)
        if "lone" in {entry.item for entry in batch}:
            return
        now_s += 0.004
    raise AssertionError("the lone item still waits")


@given(ARRIVALS, LIMITS)
def test_end_to_end_items_of_all_lengths_go_together_in_the_order_they_came(
    arrivals: list[tuple[int, float]], limit: BatchLimit
) -> None:
    buckets, now_s = filled(arrivals, padded=False)
    assert len(list(buckets)) == (1 if arrivals else 0)
    batches = drained(buckets, limit, now_s)
    assert [entry.item for batch in batches for entry in batch] == list(range(len(arrivals)))
    for batch, following in itertools.zip_longest(batches, batches[1:]):
        tokens = sum(entry.area for entry in batch)
        assert len(batch) <= limit.max_items
        assert len(batch) == 1 or tokens <= limit.max_padded_tokens
        if following is not None:
            assert len(batch) == limit.max_items or tokens + following[0].area > limit.max_padded_tokens


@given(ARRIVALS, LIMITS)
def test_a_bucket_that_says_it_is_full_fills_its_batch(arrivals: list[tuple[int, float]], limit: BatchLimit) -> None:
    buckets, now_s = filled(arrivals)
    for own in buckets:
        assert own.fills(limit) == (own.count >= limit.items(own.area))
    together, now_s = filled(arrivals, padded=False)
    for own in list(together):
        assert own.fills(limit) or len(together.take_batch(limit, now_s=now_s)) == own.count


def test_a_full_batch_goes_before_an_older_partial_one_while_nobody_is_due() -> None:
    partial = bucket(area=8, count=1, first=Turn(OBJECTIVE_S, 0))
    full = bucket(area=16, count=4, first=Turn(OBJECTIVE_S, 1))
    limit = BatchLimit(max_items=4, max_padded_tokens=1_000)
    assert choose_bucket([partial, full], limit=limit, now_s=0.004) == full
    assert choose_bucket([partial, full], limit=limit, now_s=0.006) == partial


def test_what_came_later_and_is_due_sooner_goes_first() -> None:
    young = bucket(area=8, count=1, first=Turn(1.0, 0))
    old = bucket(area=16, count=1, first=Turn(0.5, 1))
    assert choose_bucket([young, old], limit=BatchLimit(4, 1_000), now_s=2.0) == old


def test_of_several_full_batches_the_one_that_is_due_first_goes_first() -> None:
    older = bucket(area=8, count=4, first=Turn(1.0, 0))
    younger = bucket(area=256, count=4, first=Turn(1.0, 1))
    limit = BatchLimit(max_items=4, max_padded_tokens=8_192)
    assert choose_bucket([younger, older], limit=limit, now_s=0.0) == older


def test_without_a_full_batch_the_most_tokens_go_first() -> None:
    few = bucket(area=8, count=3, first=Turn(1.0, 0))
    many = bucket(area=256, count=1, first=Turn(1.0, 1))
    limit = BatchLimit(max_items=64, max_padded_tokens=8_192)
    assert choose_bucket([few, many], limit=limit, now_s=0.0) == many


@pytest.mark.parametrize(
    ("device", "calibrated", "expected"),
    [("cpu", True, CPU_LIMIT), ("cuda:1", True, GPU_LIMIT), ("cuda", False, CPU_LIMIT), (None, True, CPU_LIMIT)],
)
def test_a_batch_is_large_only_on_a_gpu_and_where_a_calibration_makes_it_smaller(
    device: str | None, calibrated: bool, expected: BatchLimit
) -> None:
    assert limit_for(None, None, device=device, calibrated=calibrated) == expected
    assert limit_for(3, 99, device=device, calibrated=calibrated) == BatchLimit(3, 99)


def test_nothing_waiting_is_no_batch() -> None:
    buckets: Buckets[str] = Buckets()
    assert buckets.take_batch(BatchLimit(1, 1), now_s=0.0) == []


def test_an_item_larger_than_the_budget_goes_alone() -> None:
    buckets, now_s = filled([(300, 0.0), (300, 0.0)])
    assert [len(batch) for batch in drained(buckets, BatchLimit(8, 100), now_s)] == [1, 1]
