"""How many processes a GPU has memory for."""

from __future__ import annotations

import pytest

from workers.models.device_memory import most_that_fit

GIB = 1 << 30


@pytest.mark.parametrize(
    ("wanted", "gpu_gib", "fit"), [(8, 79, 8), (8, 22, 5), (8, 15, 3), (2, 79, 2), (8, 4, 1), (8, 2, 1), (1, 79, 1)]
)
def test_each_process_finds_enough_memory_on_the_gpu_and_there_is_always_one(
    wanted: int, gpu_gib: int, fit: int
) -> None:
    assert most_that_fit(wanted, gpu_gib * GIB) == fit
