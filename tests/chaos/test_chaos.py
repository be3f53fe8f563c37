"""The short chaos run, and the judge's own eyesight."""

from __future__ import annotations

import socket
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.driver import run
from tests.chaos.network import Network
from tests.chaos.plan import Kind, Plan
from tests.chaos.recovery import longest_gap
from tests.chaos.settings import Client, chaos_settings
from tests.chaos.verdict import Verdict, document, judge
from tests.transport.clients import CLIENTS
from workers.transport.base import IncomingRecord, Partition

DEAD = "dead"


def log_of(topic: str, *numbers: int) -> list[IncomingRecord]:
    """Documents as they stand in one partition. Those 200 apart share a key."""
    partition = Partition(topic, 0)
    sent = [document(topic, number) for number in numbers]
    return [IncomingRecord(partition, offset, None, r.key, r.value, r.headers) for offset, r in enumerate(sent)]


def verdict(*numbers: int, topic: str = "out") -> Verdict:
    return judge(log_of("in", 0, 1, 200, 201), log_of(topic, *numbers), dead_topic=DEAD)


def test_the_judge_sees_a_loss_a_double_a_swap_a_stranger_and_a_change() -> None:
    assert verdict(0, 1, 200, 201).exact
    assert verdict(1, 0, 201, 200).exact  # order is promised per key only
    assert verdict(0, 1, 201).lost == 1
    assert verdict(0, 1, 200, 200, 201).duplicated == 1
    assert verdict(200, 0, 1, 201).out_of_order == 1
    assert not verdict(0, 1, 200, 201, 7).exact
    assert not verdict(0, 1, 200, 201, topic=DEAD).exact  # a good document is no dead letter
    assert not judge([], [], dead_topic=DEAD).exact
    others = [replace(record, value=b'{"id": "0", "text": "of another"}') for record in log_of("out", 0)]
    assert judge(log_of("in", 0), others, dead_topic=DEAD).changed == 1


def test_a_document_that_the_sender_doubled_must_come_out_twice() -> None:
    assert judge(log_of("in", 0, 0), log_of("out", 0, 0), dead_topic=DEAD).exact
    assert judge(log_of("in", 0, 0), log_of("out", 0), dead_topic=DEAD).lost == 1


def test_a_standstill_counts_from_the_fault_to_its_real_end() -> None:
    times_s = [0.0, 1.0, 8.0, 9.0, 30.0]
    assert longest_gap(times_s, 3.0, 20.0) == 21.0  # begun before the next fault, ended after it
    assert longest_gap(times_s, 3.0, 8.5) == 5.0
    assert longest_gap(times_s, 31.0, 40.0) == 0.0


def test_the_same_seed_gives_the_same_faults() -> None:
    plan = Plan(documents=1, workers=3, brokers=3, faults=dict.fromkeys(Kind, 2))
    assert plan.schedule() == plan.schedule() != replace(plan, seed=2).schedule()
    assert sorted(fault.kind for fault in plan.schedule()) == sorted([*Kind, *Kind])


def test_a_network_cuts_swallows_and_heals() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, Network(1) as network:
        server.settimeout(10.0)
        network.start([server.getsockname()[:2]])
        address = ("127.0.0.1", network.ports[0])
        with socket.create_connection(address, timeout=10.0) as client:
            behind, _ = server.accept()
            with behind:
                behind.settimeout(10.0)
                client.sendall(b"a")
                assert behind.recv(1) == b"a"
                network.swallow()
                client.sendall(b"b")
                behind.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    behind.recv(1)
                network.heal()
                behind.settimeout(10.0)
                assert behind.recv(1) == b"b"  # what was on its way arrives
                network.cut()
                assert is_cut(client)
                assert is_cut(behind)
        with socket.create_connection(address, timeout=10.0) as refused:
            assert is_cut(refused)


def is_cut(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.chaos
@pytest.mark.kafka
@pytest.mark.apache
@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_kill_and_a_freeze_lose_nothing_and_double_nothing(
    bootstrap_servers: str, tmp_path: Path, client: Client, static: bool
) -> None:
    plan = Plan(
        documents=2_000,
        workers=2,
        faults={Kind.KILL: 1, Kind.FREEZE: 1},
        static=static,
        hold_s={Kind.FREEZE: 5.0},
        pause_s=(0.5, 1.0),
        patience_s=60.0,
    )
    report = run(plan, chaos_settings(bootstrap_servers, uuid.uuid4().hex[:8], client=client), tmp_path)
    assert report.verdict.exact, (report, [path.read_text()[-2_000:] for path in tmp_path.glob("*.log")])
    assert len(report.recoveries) == 2


@pytest.mark.chaos
@pytest.mark.kafka
@pytest.mark.apache
def test_the_death_of_a_process_that_enriches_loses_nothing_and_doubles_nothing(
    bootstrap_servers: str, tmp_path: Path
) -> None:
    plan = Plan(
        documents=1_000,
        workers=1,
        faults={Kind.MEMBER: 2},
        command=f"{sys.executable} -m workers.cli.main worker",
        processes=2,
        pause_s=(4.0, 5.0),
        patience_s=60.0,
    )
    report = run(plan, chaos_settings(bootstrap_servers, uuid.uuid4().hex[:8]), tmp_path)
    assert report.verdict.exact, (report, [path.read_text()[-2_000:] for path in tmp_path.glob("*.log")])
    assert {code for _, code in report.exits} == {3}
