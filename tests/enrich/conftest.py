"""The loop's suites, for both kinds of enricher."""

from __future__ import annotations

import pytest

from tests.fakes.crews import crew_worker
from tests.fakes.pipelines import oracle_worker


@pytest.fixture(params=[oracle_worker, crew_worker], ids=["alone", "crew"])
def every_enricher(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module's `oracle_worker` is the worker with the pipeline in its own process, and one with a crew."""
    monkeypatch.setattr(request.module, "oracle_worker", request.param)
