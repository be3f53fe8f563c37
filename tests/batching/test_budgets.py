"""What a start measures is remembered, and the largest batch is run at every start."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.models import OracleModel
from tests.fakes.pipelines import oracle_pipeline
from workers.budgets import measured_budgets, use_measured_threads
from workers.models import precision
from workers.settings import DEFAULT_MODEL, BatchSettings, ModelSettings, Settings


def test_a_second_start_measures_nothing_and_runs_the_largest_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings(batch=BatchSettings(max_items=8, max_padded_tokens=2_048))
    first, second = OracleModel(), OracleModel()
    measured = measured_budgets(settings, {DEFAULT_MODEL: first})
    assert len(first.batches) > 1
    assert measured_budgets(settings, {DEFAULT_MODEL: second}) == measured
    (batch,) = second.batches
    assert len(batch) > 1


@pytest.mark.parametrize(
    ("device", "asked", "used"), [("cuda", 0, [1]), ("cuda", 3, []), (None, 0, [])], ids=["gpu", "as set", "elsewhere"]
)
def test_beside_a_gpu_one_thread_is_enough(
    monkeypatch: pytest.MonkeyPatch, device: str | None, asked: int, used: list[int]
) -> None:
    model, threads = OracleModel(), list[int]()
    model.info = replace(model.info, device=device)
    monkeypatch.setattr(precision, "use_threads", threads.append)
    assert use_measured_threads(Settings(model=ModelSettings(threads=asked)), {DEFAULT_MODEL: model}) is None
    assert threads == used


def test_memory_is_given_back_while_a_pipeline_is_open() -> None:
    def givers() -> int:
        return sum(thread.name == "giving memory back" for thread in threading.enumerate())

    before = givers()
    with oracle_pipeline():
        assert givers() == before + 1
    assert givers() == before
