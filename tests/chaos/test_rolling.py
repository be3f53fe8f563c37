"""The short rolling restart, and the eyesight of what measures pauses."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.chaos.plan import Plan
from tests.chaos.rolling import Arrivals, run
from tests.chaos.settings import Client, rolling_settings
from tests.transport.clients import CLIENTS


def test_the_longest_gap_is_found_in_any_partition_and_only_around_the_span() -> None:
    arrivals = Arrivals({0: [0.0, 1.0, 2.0, 3.0], 1: [0.0, 0.5, 2.5, 9.0]})
    assert arrivals.longest_gap_s(1.0, 2.0) == 2.0
    assert arrivals.longest_gap_s(5.0, 6.0) == 6.5
    assert Arrivals().longest_gap_s(1.0, 4.0) == 3.0  # nothing came at all


@pytest.mark.chaos
@pytest.mark.kafka
@pytest.mark.apache
@pytest.mark.parametrize("client", CLIENTS)
def test_workers_restarted_one_after_another_lose_nothing_and_double_nothing(
    bootstrap_servers: str, tmp_path: Path, client: Client
) -> None:
    plan = Plan(0, 2, {}, static=True, partitions=4, epoch_ms=50, patience_s=60)
    settings = rolling_settings(bootstrap_servers, uuid.uuid4().hex[:8], client=client)
    report = run(plan, settings, tmp_path, per_second=60, calm_s=1.0)
    assert report.verdict.exact, (report, [path.read_text()[-2_000:] for path in tmp_path.glob("*.log")])
    assert report.verdict.sent > 100
    assert len(report.restarts) == 2
