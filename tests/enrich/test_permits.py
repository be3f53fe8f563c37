"""Permits: never more out than there are, nobody passed over, and all given back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from workers.enrich.permits import Permits

TOTAL = 10


def test_what_is_out_never_exceeds_the_total_and_all_comes_back() -> None:
    permits = Permits(TOTAL)
    most: list[int] = []

    def hold(count: int) -> None:
        with permits.take(count):
            most.append(permits.out)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hold, [1, 4, 10, 7, 3, 25] * 20))
    assert len(most) == 120
    assert 0 < max(most) <= TOTAL
    assert permits.out == 0


def test_who_wants_more_than_there_are_has_them_all() -> None:
    permits = Permits(TOTAL)
    with permits.take(1_000):
        assert permits.out == TOTAL


def test_a_small_request_does_not_pass_a_large_one_that_came_before() -> None:
    permits = Permits(TOTAL)
    order: list[int] = []

    def hold(count: int) -> None:
        with permits.take(count):
            order.append(count)

    with ThreadPoolExecutor(2) as pool:
        with permits.take(1):
            large = pool.submit(hold, TOTAL)
            while not permits.waiting:
                time.sleep(0.001)
            small = pool.submit(hold, 1)
            while permits.waiting < 2:
                time.sleep(0.001)
            assert not order  # there is room for the small one, and it waits
        large.result()
        small.result()
    assert order == [TOTAL, 1]


def test_an_error_gives_them_back() -> None:
    permits = Permits(TOTAL)
    with pytest.raises(ValueError, match="of the holder"), permits.take(4):
        raise ValueError("of the holder")
    assert permits.out == 0
