"""What a worker tells a recorder, over an in-process log."""

from __future__ import annotations

import pytest

from tests.fakes.models import POISON
from tests.fakes.pipelines import log_of, oracle_worker, payload
from tests.fakes.recorders import RememberingRecorder
from workers.errors import DependencyError
from workers.settings import EpochSettings, OutputSettings, Settings
from workers.transport.base import Epoch, EpochLimits, Partition, Standing
from workers.transport.memory import Fault, MemoryLog, MemoryTransport

pytestmark = pytest.mark.usefixtures("every_enricher")

SMALL_EPOCHS = Settings(epoch=EpochSettings(max_records=4, poll_ms=5))


def told(log: MemoryLog, settings: Settings = SMALL_EPOCHS) -> RememberingRecorder:
    recorder = RememberingRecorder()
    with oracle_worker(MemoryTransport(log), settings=settings) as worker:
        worker.recorder = recorder
        worker.run()
    return recorder


def test_every_document_is_told_once_by_outcome_and_every_epoch_with_its_steps() -> None:
    log = log_of(*(payload(f"Four words of text {n}.", name=str(n)) for n in range(6)), b"{", None)
    log.append("documents", b"9", payload(f"{POISON} here.", name="guilty"))
    epochs = told(log).epochs
    outcomes = {name: sum(epoch.documents.get(name, 0) for epoch in epochs) for name in ("enriched", "dead_letter")}
    assert outcomes == {"enriched": 6, "dead_letter": 2}
    assert sum(epoch.documents.get("tombstone", 0) for epoch in epochs) == 1
    assert sum(epoch.tokens for epoch in epochs) == 6 * 5
    assert sum(epoch.stages.get("relations", 0) for epoch in epochs) == 6
    dead = {key for epoch in epochs for key in epoch.dead_letters}
    assert dead == {("validate", "invalid_json"), ("model", "model_error")}
    for epoch in epochs:
        assert {"validate", "segment", "cache_read", "assemble", "publish"} <= set(epoch.seconds)
        assert epoch.epoch_s >= epoch.seconds["publish"]


def test_a_document_too_large_to_publish_is_told_as_the_dead_letter_that_it_became() -> None:
    settings = SMALL_EPOCHS.model_copy(update={"output": OutputSettings(max_record_bytes=400)})
    (epoch,) = told(log_of(payload("Some words.", name="a")), settings).epochs
    assert (epoch.documents["enriched"], epoch.documents["dead_letter"]) == (0, 1)
    assert epoch.dead_letters == {("publish", "result_too_large"): 1}


def test_epochs_that_are_read_again_are_told_as_aborted_and_once_as_committed() -> None:
    log = log_of(*(payload(f"Text {n}.", name=str(n)) for n in range(8)))
    log.faults[Partition("documents", 0), 5] = Fault.REFUSED
    recorder = told(log)
    assert sum(recorder.aborted_epochs) >= 1
    assert sum(epoch.count for epoch in recorder.epochs) == 8


def test_the_first_load_tells_the_whole_lag_and_the_loop_is_heard_at_every_turn() -> None:
    log = log_of(*(payload(f"Text {n}.", name=str(n)) for n in range(12)))
    recorder = told(log)
    first = recorder.loads[0]
    assert first.lag == {("documents", 0): 12}
    assert first.partitions == 1
    assert first.problem is None
    assert first.waiting == 12
    assert recorder.turns >= len(recorder.epochs)


class Away(MemoryTransport):
    """A broker that comes back after some tries; until then it does not even say where a member stands."""

    left = 3

    def standing(self) -> Standing:
        if self.left:
            raise DependencyError("no broker answers")
        return super().standing()

    def poll(self, limits: EpochLimits, *, timeout_s: float, accept: bool) -> Epoch | None:
        if self.left:
            self.left -= 1
            raise DependencyError("no broker answers")
        return super().poll(limits, timeout_s=timeout_s, accept=accept)


def test_a_broker_that_is_away_is_told_and_the_loop_is_heard_all_the_same() -> None:
    recorder = RememberingRecorder()
    with oracle_worker(Away(log_of(payload("Text.", name="a"))), settings=SMALL_EPOCHS) as worker:
        worker.recorder = recorder
        worker.run()
    assert recorder.loads[0].problem == "no broker answers"
    assert recorder.turns > 3
    assert len(recorder.epochs) == 1
