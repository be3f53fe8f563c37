"""Laws of the distances, and how often chance alone passes the limit."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from workers.insights.distances import chance_limit, contributions, jensen_shannon, population_stability

MIXES = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 1_000), max_size=6)


@given(MIXES, MIXES)
def test_the_index_is_symmetric_and_not_negative_bucket_by_bucket(one: dict[str, int], other: dict[str, int]) -> None:
    assert all(part >= 0 for part in contributions(one, other).values())
    assert population_stability(one, other) == pytest.approx(population_stability(other, one))


@given(MIXES)
def test_a_mix_is_no_distance_from_itself(mix: dict[str, int]) -> None:
    assert population_stability(mix, mix) == 0
    assert jensen_shannon(mix, mix) == pytest.approx(0, abs=1e-7)


@given(MIXES, MIXES, MIXES)
def test_jensen_shannon_is_a_metric_between_0_and_1(a: dict[str, int], b: dict[str, int], c: dict[str, int]) -> None:
    assume(sum(a.values()) and sum(b.values()) and sum(c.values()))
    assert 0 <= jensen_shannon(a, b) <= 1
    assert jensen_shannon(a, b) == pytest.approx(jensen_shannon(b, a))
    assert jensen_shannon(a, c) <= jensen_shannon(a, b) + jensen_shannon(b, c) + 1e-7


@given(MIXES, MIXES)
def test_the_index_is_never_infinite_and_the_distance_of_strangers_is_1(a: dict[str, int], b: dict[str, int]) -> None:
    assert population_stability(a, b) < 100
    assume(sum(a.values()) and sum(b.values()))
    strangers = {f"other {bucket}": count for bucket, count in b.items()}
    assert jensen_shannon(a, strangers) == pytest.approx(1)


def test_known_values() -> None:
    # By hand: (0.8 - 0.2) ln(0.8 / 0.2) twice; pseudo-counts hardly matter at these sizes.
    one, other = {"a": 80_000, "b": 20_000}, {"a": 20_000, "b": 80_000}
    assert population_stability(one, other) == pytest.approx(1.6636, abs=1e-3)
    assert jensen_shannon({"a": 1}, {"a": 1, "b": 1}) == pytest.approx(0.5579, abs=1e-4)


@pytest.mark.parametrize(("buckets", "reference", "window"), [(5, 1_200, 200), (25, 3_000, 400)])
def test_chance_alone_hardly_ever_passes_the_limit(buckets: int, reference: int, window: int) -> None:
    rng = random.Random(buckets)
    weights = [rng.uniform(1, 5) for _ in range(buckets)]
    names = [str(number) for number in range(buckets)]

    def sample(size: int) -> Counter[str]:
        return Counter(rng.choices(names, weights, k=size))

    limit = chance_limit(buckets, reference, window)
    found = [population_stability(sample(reference), sample(window)) for _ in range(400)]
    assert sum(index > limit for index in found) <= 1
    assert max(found) > limit / 3  # and it is not simply far away
