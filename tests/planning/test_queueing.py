"""The formulas, against the queue played through and against their laws."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.gated_queue import Played, play
from workers.planning.queueing import GatedQueue, Lengths

LENGTHS = Lengths(350, 2_000)
SPEED = 5_000.0


def queue_at(busy: float, *, epoch_s: float = 0.1, lengths: Lengths = LENGTHS) -> GatedQueue:
    return GatedQueue(lengths, SPEED, epoch_s, busy * SPEED / lengths.mean)


@cache
def played(queue: GatedQueue) -> Played:
    return play(queue, documents=60_000, seed=3)


@pytest.mark.parametrize("busy", [0.2, 0.5, 0.7, 0.85])
@pytest.mark.parametrize("epoch_s", [0.05, 0.5])
def test_the_mean_is_that_of_the_queue_played_through(busy: float, epoch_s: float) -> None:
    queue = queue_at(busy, epoch_s=epoch_s)
    assert queue.mean_latency_s == pytest.approx(played(queue).mean_s, rel=0.1)


@pytest.mark.parametrize("busy", [0.2, 0.5, 0.7, 0.85])
@pytest.mark.parametrize("epoch_s", [0.05, 0.5])
@pytest.mark.parametrize("share", [0.9, 0.95, 0.99])
def test_a_percentile_is_on_the_safe_side_and_not_absurdly_so(busy: float, epoch_s: float, share: float) -> None:
    queue = queue_at(busy, epoch_s=epoch_s)
    played_s = played(queue).quantile_s(share)
    assert played_s <= queue.latency_s(share) <= 3.0 * played_s


def test_lengths_have_the_moments_of_the_lognormal_they_stand_for() -> None:
    assert LENGTHS.quantile(0.5) == pytest.approx(350)
    assert LENGTHS.quantile(0.99) == pytest.approx(2_000)
    same = Lengths(100, 100)
    assert (same.mean, same.second_moment, same.quantile(0.99)) == pytest.approx((100, 10_000, 100))


@given(shares=st.lists(st.floats(0.01, 0.99), min_size=2, unique=True), epoch_s=st.floats(0.001, 5.0))
def test_more_load_is_more_latency(shares: list[float], epoch_s: float) -> None:
    queues = [queue_at(busy, epoch_s=epoch_s) for busy in sorted(shares)]
    for latencies in ([q.mean_latency_s for q in queues], [q.latency_s(0.95) for q in queues]):
        assert all(less <= more for less, more in pairwise(latencies))


@given(p50=st.floats(1, 5_000), times=st.floats(1, 20), faster=st.floats(1.01, 10))
def test_a_faster_worker_answers_sooner(p50: float, times: float, faster: float) -> None:
    slow = queue_at(0.5, lengths=Lengths(p50, p50 * times))
    fast = replace(slow, tokens_per_s=slow.tokens_per_s * faster)
    assert fast.mean_latency_s < slow.mean_latency_s
    assert fast.latency_s(0.95) < slow.latency_s(0.95)


def test_a_worker_that_cannot_keep_up_never_answers() -> None:
    assert math.isinf(queue_at(1.01).mean_latency_s)
    assert math.isinf(queue_at(1.2).latency_s(0.5))


@pytest.mark.parametrize(("p50", "p99"), [(0, 10), (-1, 5), (20, 10)])
def test_lengths_that_cannot_be_are_refused(p50: float, p99: float) -> None:
    with pytest.raises(ValueError, match="in this order"):
        Lengths(p50, p99)
