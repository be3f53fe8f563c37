"""The scripted faults of the log in memory: a worker that dies at an exact record and is started again."""

from __future__ import annotations

import pytest

from workers.transport.base import EpochLimits, OutgoingRecord, Partition
from workers.transport.memory import Crash, Fault, MemoryLog, MemoryTransport


def run(log: MemoryLog) -> None:
    """A worker that passes everything on, until the end or until it crashes."""
    transport = MemoryTransport(log)
    transport.start()
    try:
        while not transport.exhausted():
            epoch = transport.poll(EpochLimits(2, 1_000), timeout_s=0.0, accept=True)
            assert epoch is not None
            done = transport.publish(epoch, [OutgoingRecord("out", r.key, r.value) for r in epoch.records])
            if done.exception() is not None:
                transport.rewind()
    finally:
        transport.close(timeout_s=0.0)


def log_of(*values: bytes, fault: Fault, at: int) -> MemoryLog:
    log = MemoryLog(partitions=1)
    for value in values:
        log.append("documents", b"key", value)
    log.faults[Partition("documents", 0), at] = fault
    return log


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_at_every_record_leaves_each_record_once(fault: Fault, at: int) -> None:
    log = log_of(b"a", b"b", b"c", b"d", fault=fault, at=at)
    crashes = 0
    while crashes < 2:
        try:
            run(log)
        except Crash:
            crashes += 1
        else:
            break
    assert crashes == (1 if fault in {Fault.CRASH_BEFORE_COMMIT, Fault.CRASH_AFTER_COMMIT} else 0)
    assert [record.value for record in log.read("out")] == [b"a", b"b", b"c", b"d"]
    assert not log.faults


def test_a_crash_before_the_commit_shows_nothing_of_the_epoch() -> None:
    log = log_of(b"a", b"b", fault=Fault.CRASH_BEFORE_COMMIT, at=1)
    with pytest.raises(Crash):
        run(log)
    assert log.read("out") == []


def test_a_crash_after_the_commit_shows_all_of_it() -> None:
    log = log_of(b"a", b"b", fault=Fault.CRASH_AFTER_COMMIT, at=1)
    with pytest.raises(Crash):
        run(log)
    assert [record.value for record in log.read("out")] == [b"a", b"b"]
