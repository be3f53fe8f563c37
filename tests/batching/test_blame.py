"""Laws of finding the guilty item of a batch that fails."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.batching.answers import BadAnswer, ModelFailed
from workers.batching.blame import answer_each, cause_of
from workers.errors import DeviceLost, ModelError, OutOfMemory


class Machine:
    """Doubles numbers; any batch with a guilty one raises, and so does one of more than `room` items."""

    def __init__(self, guilty: set[int], *, room: int = 1_000) -> None:
        self.guilty, self.room, self.runs = guilty, room, 0

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.runs += 1
        if len(items) > self.room:
            raise OutOfMemory("secret text")
        if self.guilty & set(items):
            raise ModelError("secret text") from ZeroDivisionError("secret text")
        return [2 * item for item in items]


@given(st.integers(0, 70), st.data(), st.booleans())
def test_exactly_the_guilty_fail_and_the_innocent_are_answered_in_order(
    size: int, data: st.DataObject, failed: bool
) -> None:
    guilty = data.draw(st.sets(st.integers(0, max(0, size - 1)), max_size=5))
    outcomes = answer_each(range(size), Machine(guilty), failed=failed)
    assert len(outcomes) == size
    for item, outcome in enumerate(outcomes):
        assert isinstance(outcome, ModelFailed) if item in guilty else outcome == 2 * item


@given(st.integers(1, 64), st.data())
def test_finding_the_guilty_costs_a_logarithm_of_the_batch_each(size: int, data: st.DataObject) -> None:
    guilty = data.draw(st.sets(st.integers(0, size - 1), max_size=3))
    machine = Machine(guilty)
    answer_each(range(size), machine)
    assert machine.runs <= 1 + len(guilty) * (2 * math.ceil(math.log2(size)) + 1 if size > 1 else 1)


@given(st.integers(1, 64))
def test_nobody_is_blamed_for_one_failure_only(size: int) -> None:
    for outcome in answer_each(range(size), Machine(set(range(size)))):
        assert isinstance(outcome, ModelFailed)
        assert outcome.attempts >= 2
        assert outcome.smallest_failing == 1


@given(st.integers(1, 64), st.integers(1, 8))
def test_a_batch_that_does_not_fit_is_halved_until_it_does(size: int, room: int) -> None:
    assert answer_each(range(size), Machine(set(), room=room)) == [2 * item for item in range(size)]


def test_a_fault_that_passes_costs_nobody() -> None:
    failures = iter([True, False])

    def run(items: Sequence[int]) -> list[int]:
        if next(failures, False):
            raise RuntimeError
        return list(items)

    assert answer_each([7], run) == [7]


def test_a_wrong_number_of_results_is_a_failure() -> None:
    outcome = answer_each([1], lambda items: [*items, 2])[0]
    assert outcome == ModelFailed("model_error", "2 results for 1 windows", attempts=2, smallest_failing=1)


def test_a_lost_device_is_not_blamed_on_an_item() -> None:
    def run(items: Sequence[int]) -> list[int]:
        raise DeviceLost("gone")

    with pytest.raises(DeviceLost):
        answer_each([1, 2], run)


@pytest.mark.parametrize(
    ("error", "code", "detail"),
    [
        (RuntimeError("secret"), "model_error", "RuntimeError"),
        (OutOfMemory("secret"), "out_of_memory", "OutOfMemory"),
        (MemoryError("secret"), "out_of_memory", "MemoryError"),
        (BadAnswer("3 answers for 4 windows"), "model_error", "3 answers for 4 windows"),
    ],
)
def test_a_cause_names_the_kind_and_never_the_message(error: Exception, code: str, detail: str) -> None:
    cause = cause_of(error)
    assert (cause.code, cause.detail) == (code, detail)


def test_a_cause_names_what_the_error_came_from() -> None:
    outcome = answer_each([1], Machine({1}))[0]
    assert isinstance(outcome, ModelFailed)
    assert outcome.detail == "ModelError from ZeroDivisionError"


def test_every_failed_run_is_told() -> None:
    told: list[int] = []
    answer_each(range(4), Machine({2}), on_failure=lambda part, cause: told.append(len(part)))
    assert told == [4, 2, 1]
