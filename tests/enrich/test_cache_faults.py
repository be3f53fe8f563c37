"""Guarantee 4 over every fault of Redis: the same bytes as without a cache, and a bounded number of waits for it.

`python -m tests.chaos.redis_faults` measures what each costs, with the packaged model.
"""

from __future__ import annotations

import pytest

from tests.chaos.redis_faults import SCENARIOS, Scenario, documents, run, run_with
from tests.fakes.pipelines import oracle
from workers.settings import DEFAULT_MODEL, Settings

SETTINGS = Settings.model_validate({"epoch": {"max_records": 8}})
ANSWERING = {"slow: 50 ms, within the time-out", "OOM command not allowed", "read-only replica"}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_whatever_redis_does_the_output_is_the_same(scenario: Scenario) -> None:
    models, todo = {DEFAULT_MODEL: oracle()}, documents(48)
    without = run(models, SETTINGS, todo)
    faulty = run_with(scenario, models, SETTINGS, todo)
    assert faulty.values == without.values
    assert len(faulty.values) == len(todo)
    if not scenario.warm and scenario.name not in ANSWERING:
        # Three until it is left alone, by three threads and the writer at once, and its connections' handshakes.
        assert faulty.asked <= 16
