"""Laws of choosing a batch."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from workers.batching.policy import BatchLimit, Bucket, Buckets, Waiting, choose_bucket

MAX_WAIT_S = 0.005
AREAS = st.sampled_from([8, 16, 24, 256, 300])
LIMITS = st.builds(BatchLimit, max_items=st.integers(1, 6), max_padded_tokens=st.integers(1, 600))
ARRIVALS = st.lists(st.tuples(AREAS, st.sampled_from([0.0, 0.001, 0.004, 0.02])), max_size=40)


def filled(arrivals: Sequence[tuple[int, float]]) -> tuple[Buckets[int], float]:
    """Buckets with items 0, 1, 2, ... that came one after the other, and the time after the last."""
    buckets: Buckets[int] = Buckets()
    now_s = 0.0
    for item, (area, pause_s) in enumerate(arrivals):
        now_s += pause_s
        buckets.add(item, area=area, now_s=now_s)
    return buckets, now_s


def drained(buckets: Buckets[int], limit: BatchLimit, now_s: float) -> list[list[Waiting[int]]]:
    batches = []
    while batch := buckets.take_batch(limit, now_s=now_s, max_wait_s=MAX_WAIT_S):
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
        batch = buckets.take_batch(limit, now_s=now_s, max_wait_s=MAX_WAIT_S)
        assert len(batch) == min(before[batch[0].area], limit.items(batch[0].area))


@given(ARRIVALS, LIMITS)
def test_items_of_one_length_leave_in_the_order_they_came(arrivals: list[tuple[int, float]], limit: BatchLimit) -> None:
    buckets, now_s = filled(arrivals)
    sent = [entry for batch in drained(buckets, limit, now_s) for entry in batch]
    for area in {entry.area for entry in sent}:
        numbers = [entry.number for entry in sent if entry.area == area]
        assert numbers == sorted(numbers)


@given(ARRIVALS, LIMITS)
def test_an_item_that_waited_too_long_goes_before_all_younger_ones_of_other_lengths(
    arrivals: list[tuple[int, float]], limit: BatchLimit
) -> None:
    buckets, now_s = filled(arrivals)
    now_s += 0.004
    while len(buckets):
        oldest = min(buckets, key=lambda bucket: bucket.oldest_number)
        batch = buckets.take_batch(limit, now_s=now_s, max_wait_s=MAX_WAIT_S)
        if now_s - oldest.oldest_since_s > MAX_WAIT_S:
            assert batch[0].number == oldest.oldest_number


@given(LIMITS, AREAS, st.integers(0, 20))
def test_a_lone_item_is_not_starved_by_full_batches_that_keep_coming(
    limit: BatchLimit, lone_area: int, ahead: int
) -> None:
    """Every batch takes 4 ms and meanwhile a full batch of another length arrives."""
    buckets: Buckets[str] = Buckets()
    for _ in range(ahead):
        buckets.add("ahead", area=40, now_s=0.0)
    buckets.add("lone", area=lone_area, now_s=0.0)
    now_s = 0.0
    for _ in range(ahead + 3):
        for _ in range(limit.items(48)):
            buckets.add("flood", area=48, now_s=now_s)
        batch = buckets.take_batch(limit, now_s=now_s, max_wait_s=MAX_WAIT_S)
        if "lone" in {entry.item for entry in batch}:
            return
        now_s += 0.004
    raise AssertionError("the lone item still waits")


def test_a_full_batch_goes_before_an_older_partial_one_while_nobody_waited_too_long() -> None:
    partial = Bucket(area=8, count=1, oldest_number=0, oldest_since_s=0.0)
    full = Bucket(area=16, count=4, oldest_number=1, oldest_since_s=0.0)
    limit = BatchLimit(max_items=4, max_padded_tokens=1_000)
    assert choose_bucket([partial, full], limit=limit, now_s=0.004, max_wait_s=MAX_WAIT_S) == full
    assert choose_bucket([partial, full], limit=limit, now_s=0.006, max_wait_s=MAX_WAIT_S) == partial


def test_of_several_full_batches_the_one_with_the_oldest_item_goes_first() -> None:
    older = Bucket(area=8, count=4, oldest_number=0, oldest_since_s=0.0)
    younger = Bucket(area=256, count=4, oldest_number=1, oldest_since_s=0.0)
    limit = BatchLimit(max_items=4, max_padded_tokens=8_192)
    assert choose_bucket([younger, older], limit=limit, now_s=0.0, max_wait_s=MAX_WAIT_S) == older


def test_without_a_full_batch_the_most_tokens_go_first() -> None:
    few = Bucket(area=8, count=3, oldest_number=0, oldest_since_s=0.0)
    many = Bucket(area=256, count=1, oldest_number=1, oldest_since_s=0.0)
    limit = BatchLimit(max_items=64, max_padded_tokens=8_192)
    assert choose_bucket([few, many], limit=limit, now_s=0.0, max_wait_s=MAX_WAIT_S) == many


def test_nothing_waiting_is_no_batch() -> None:
    buckets: Buckets[str] = Buckets()
    assert buckets.take_batch(BatchLimit(1, 1), now_s=0.0, max_wait_s=0.0) == []


def test_an_item_larger_than_the_budget_goes_alone() -> None:
    buckets, now_s = filled([(300, 0.0), (300, 0.0)])
    assert [len(batch) for batch in drained(buckets, BatchLimit(8, 100), now_s)] == [1, 1]
