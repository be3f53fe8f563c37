"""The short chaos run, and the judge's own eyesight."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.chaos.driver import Client, Plan, chaos_settings, run
from tests.chaos.verdict import document, judge
from tests.transport.clients import CLIENTS
from workers.transport.base import IncomingRecord, Partition


def came_out(*numbers: int) -> list[IncomingRecord]:
    sent = [document("out", number, keys=2) for number in numbers]
    partition = Partition("out", 0)
    return [IncomingRecord(partition, offset, None, r.key, r.value, r.headers) for offset, r in enumerate(sent)]


def test_the_judge_sees_a_loss_a_double_a_swap_and_a_stranger() -> None:
    assert judge(came_out(0, 1, 2, 3), sent=4, dead_topic="dead").exact
    assert judge(came_out(1, 0, 3, 2), sent=4, dead_topic="dead").exact  # order is promised per key only
    assert judge(came_out(0, 1, 3), sent=4, dead_topic="dead").lost == 1
    assert judge(came_out(0, 1, 2, 2, 3), sent=4, dead_topic="dead").duplicated == 1
    assert judge(came_out(2, 0, 1, 3), sent=4, dead_topic="dead").out_of_order == 1
    assert judge(came_out(0, 1, 2, 3, 4), sent=4, dead_topic="dead").unknown == 1
    assert not judge(came_out(0, 1, 2, 3), sent=4, dead_topic="out").exact  # a good document is no dead letter


@pytest.mark.chaos
@pytest.mark.kafka
@pytest.mark.apache
@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_kill_and_a_freeze_lose_nothing_and_double_nothing(
    bootstrap_servers: str, tmp_path: Path, client: Client, static: bool
) -> None:
    plan = Plan(
        documents=2_000, workers=2, kills=1, freezes=1, static=static, epoch_ms=100, freeze_s=5.0, patience_s=60
    )
    report = run(plan, chaos_settings(bootstrap_servers, uuid.uuid4().hex[:8], client=client), tmp_path)
    assert report.verdict.exact, (report, [path.read_text()[-2_000:] for path in tmp_path.glob("*.log")])
