"""The short run of `tests.chaos.poison`."""

from __future__ import annotations

import pytest

from tests.chaos.poison import run


@pytest.mark.parametrize("seed", [1, 2])
def test_exactly_the_poisonous_are_blamed_and_it_costs_a_logarithm(seed: int) -> None:
    found = run(1_500, share=0.01, seed=seed)
    assert found.good, found
    for letter in found.letters:
        assert letter["stage"] == "model"
        assert letter["code"] in {"model_error", "out_of_memory"}
        assert letter["attempts"] >= 2
        assert letter["smallest_failing"] == 1
        assert "nobody" not in letter["detail"], "a detail quotes the text"
