"""Documents that take the process down, on the in-process log; the test starts a worker that ended again."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson
import pytest

from tests.fakes.models import DEADLY
from tests.fakes.pipelines import log_of, oracle, oracle_worker, payload
from workers.errors import DeviceLost
from workers.settings import EpochSettings, Settings
from workers.transport.base import Partition
from workers.transport.memory import MemoryLog, MemoryTransport

pytestmark = pytest.mark.usefixtures("every_enricher")

SMALL_EPOCHS = Settings(epoch=EpochSettings(max_records=8, poll_ms=5))


@dataclass
class Restarting:
    """An orchestrator: starts a worker again whenever it ended by itself."""

    log: MemoryLog
    settings: Settings = SMALL_EPOCHS
    deaths: int = 0
    batches: list[list[str]] = field(default_factory=list)  # texts of every forward pass

    def run(self, *, most: int = 20) -> None:
        while True:
            model = oracle()
            try:
                with oracle_worker(MemoryTransport(self.log), model, self.settings) as worker:
                    worker.run()
                return
            except DeviceLost:
                self.deaths += 1
                assert self.deaths < most, "it never ends"
            finally:
                self.batches += [[asked.window.text for asked in batch] for batch in model.batches]


def texts(count: int, *killers: int) -> list[bytes | None]:
    return [payload(f"{DEADLY if n in killers else 'Text'} number {n}.", name=str(n)) for n in range(count)]


def letters(log: MemoryLog) -> list[dict[str, object]]:
    return [orjson.loads(record.value or b"{}") for record in log.read("documents.dead")]


@pytest.mark.parametrize("place", [0, 7, 8, 31, 100, 199])
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_killer_is_dead_lettered_after_three_deaths_and_all_others_are_published(place: int, partitions: int) -> None:
    log = log_of(*texts(200, place), partitions=partitions)
    run = Restarting(log)
    run.run()
    assert run.deaths == 3
    [letter] = letters(log)
    assert (letter["stage"], letter["code"], letter["attempts"], letter["smallest_failing"]) == (
        "worker",
        "killed_worker",
        3,
        1,
    )
    published = [orjson.loads(record.value or b"{}")["id"] for record in log.read("documents.enriched")]
    assert sorted(published, key=int) == [str(n) for n in range(200) if n != place]


def test_each_of_several_killers_costs_one_death_more() -> None:
    log = log_of(*texts(200, 50, 53, 60))
    run = Restarting(log)
    run.run()
    assert run.deaths == 5
    assert [letter["origin"]["offset"] for letter in letters(log)] == [50, 53, 60]  # type: ignore[index]
    assert len(log.read("documents.enriched")) == 197


def test_after_two_deaths_suspects_are_tried_alone_and_only_suspects() -> None:
    log = log_of(*texts(200, 100))
    run = Restarting(log)
    run.run()
    passes = [batch for batch in run.batches if any(DEADLY in text for text in batch)]
    assert len(passes) == 3
    assert len(passes[-1]) == 1
    last = run.batches[run.batches.index(passes[-1]) + 1 :]
    together = [len(batch) for batch in last if len(batch) > 1]
    assert together, "after the suspects all is as before"


def test_a_worker_that_fails_on_every_text_blames_nobody() -> None:
    """Two deaths put the records under suspicion; then the device is gone for good."""
    log = log_of(*texts(20, 5))
    with pytest.raises(AssertionError, match="never ends"):
        Restarting(log).run(most=2)  # two deaths, and the killer is about to be tried alone
    committed = dict(log.committed)
    for _ in range(4):
        model = oracle()
        model.broken = True
        with pytest.raises(DeviceLost), oracle_worker(MemoryTransport(log), model, SMALL_EPOCHS) as worker:
            worker.run()
    assert letters(log) == []
    assert log.committed == committed


def test_a_worker_that_ended_well_leaves_no_note() -> None:
    log = log_of(*texts(20))
    Restarting(log).run()
    assert log.committed[Partition("documents", 0)] == 20
    assert set(log.notes.values()) == {""}


def test_more_deaths_are_waited_for_if_so_wished() -> None:
    log = log_of(*texts(20, 5))
    settings = Settings(epoch=EpochSettings(max_records=8, poll_ms=5, max_deaths=5))
    run = Restarting(log, settings)
    run.run()
    assert run.deaths == 5
    assert [letter["attempts"] for letter in letters(log)] == [5]
