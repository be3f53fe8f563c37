"""The worker's loop over an in-process log that fails where it is told to."""

from __future__ import annotations

from threading import Thread

import orjson
import pytest

from tests.fakes.models import POISON
from tests.fakes.pipelines import log_of, oracle, oracle_worker, payload
from workers.errors import DependencyError, DeviceLost
from workers.settings import EpochSettings, Settings
from workers.transport.base import Epoch, EpochLimits, Partition
from workers.transport.memory import Crash, Fault, MemoryLog, MemoryTransport

pytestmark = pytest.mark.usefixtures("every_enricher")

OUT = ("documents.enriched", "documents.dead")
SMALL_EPOCHS = Settings(epoch=EpochSettings(max_records=4, poll_ms=5))


def texts(count: int) -> list[bytes | None]:
    return [payload(f"Text number {n}.", name=str(n)) for n in range(count)]


def origins(log: MemoryLog) -> list[tuple[int, int]]:
    """Partition and offset of the input records that were answered, in the order of the answers."""
    found = [orjson.loads(record.value or b"{}")["origin"] for record in log.read(*OUT)]
    return [(origin["partition"], origin["offset"]) for origin in found]


def run(log: MemoryLog, settings: Settings = SMALL_EPOCHS) -> None:
    with oracle_worker(MemoryTransport(log), settings=settings) as worker:
        worker.run()


def test_every_record_is_answered_once_and_in_order() -> None:
    log = log_of(*texts(30))
    run(log)
    assert origins(log) == [(0, offset) for offset in range(30)]


def test_a_bad_record_is_dead_lettered_among_its_neighbours() -> None:
    values = texts(10)
    values[3], values[6] = b"{", payload(f"{POISON} here.", name="guilty")
    log = log_of(*values)
    run(log)
    dead = [orjson.loads(record.value or b"{}") for record in log.read("documents.dead")]
    assert [(letter["origin"]["offset"], letter["stage"]) for letter in dead] == [(3, "validate"), (6, "model")]
    assert dead[1]["payload"]["data"].encode() == values[6]
    assert len(log.read("documents.enriched")) == 8


def test_a_tombstone_is_forwarded_with_its_key() -> None:
    log = log_of(payload("Text.", name="a"), None)
    run(log)
    last = log.read("documents.enriched")[-1]
    assert (last.key, last.value) == (b"1", None)


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.ANSWER_LOST, Fault.REVOKED])
@pytest.mark.parametrize("offset", [0, 5, 11])
def test_a_failed_publish_loses_and_repeats_nothing(fault: Fault, offset: int) -> None:
    log = log_of(*texts(12))
    log.faults[Partition("documents", 0), offset] = fault
    run(log)
    assert origins(log) == [(0, offset) for offset in range(12)]


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE_COMMIT, Fault.CRASH_AFTER_COMMIT])
def test_a_crash_around_the_commit_shows_everything_once(fault: Fault) -> None:
    log = log_of(*texts(12))
    log.faults[Partition("documents", 0), 5] = fault
    with pytest.raises(Crash):
        run(log)
    run(log)
    assert origins(log) == [(0, offset) for offset in range(12)]


def test_a_stop_finishes_what_was_read_and_reads_nothing_new() -> None:
    log = log_of(*texts(40))
    with oracle_worker(MemoryTransport(log), settings=SMALL_EPOCHS) as worker:
        worker.on_progress = lambda progress: worker.stop()
        worker.run()
    answered = origins(log)
    assert 4 <= len(answered) < 40
    assert answered == [(0, offset) for offset in range(len(answered))]
    assert log.committed[Partition("documents", 0)] == len(answered)


def test_more_is_not_read_than_may_be_under_way() -> None:
    log, model = log_of(*texts(40)), oracle()
    most = 0

    class Watched(MemoryTransport):
        def poll(self, limits: EpochLimits, *, timeout_s: float, accept: bool) -> Epoch | None:
            nonlocal most
            most = max(most, len(worker._under_way) + accept)
            return super().poll(limits, timeout_s=timeout_s, accept=accept)

    with oracle_worker(Watched(log), model, SMALL_EPOCHS) as worker:
        worker.run()
    assert most == SMALL_EPOCHS.epoch.max_in_flight * worker.enricher.processes
    assert len(origins(log)) == 40


def test_the_first_epochs_are_small_so_that_the_device_need_not_wait_and_all_reach_as_far() -> None:
    log, asked = log_of(*texts(40)), []

    class Watched(MemoryTransport):
        def poll(self, limits: EpochLimits, *, timeout_s: float, accept: bool) -> Epoch | None:
            epoch = super().poll(limits, timeout_s=timeout_s, accept=accept)
            if epoch is not None:
                asked.append((limits.max_records, limits.reach // worker.enricher.processes))
            return epoch

    with oracle_worker(Watched(log), settings=Settings(epoch=EpochSettings(max_records=50, poll_ms=5))) as worker:
        worker.run()
    assert asked == [(16, 150), (32, 150)]
    assert origins(log) == [(0, offset) for offset in range(40)]


def test_a_lost_device_stops_the_worker_and_commits_nothing_of_the_epoch() -> None:
    log, model = log_of(*texts(4)), oracle()
    model.broken = True
    with oracle_worker(MemoryTransport(log), model, SMALL_EPOCHS) as worker, pytest.raises(DeviceLost):
        worker.run()
    assert log.read(*OUT) == []
    assert set(log.committed.values()) == {0}


def test_the_loop_goes_on_while_a_broker_is_away() -> None:
    log = log_of(*texts(8))

    class Flaky(MemoryTransport):
        left = 3

        def rewind(self) -> None:
            if self.left:
                self.left -= 1
                raise DependencyError("no broker answers")
            super().rewind()

    log.faults[Partition("documents", 0), 2] = Fault.REFUSED
    with oracle_worker(Flaky(log), settings=SMALL_EPOCHS) as worker:
        thread = Thread(target=worker.run)
        thread.start()
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert origins(log) == [(0, offset) for offset in range(8)]
