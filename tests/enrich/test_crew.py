"""Several processes that enrich for one loop: what is theirs beyond what every enricher does (see `test_worker`)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from schemas import Calibration
from tests.enrich.test_calibrations import TEXT, calibration
from tests.fakes.batchers import Gate, until
from tests.fakes.clock import FakeClock
from tests.fakes.crews import crew_of
from tests.fakes.models import POISON, OracleModel
from tests.fakes.pipelines import incoming, oracle, oracle_pipeline, payload
from workers.batching.answers import BatcherStats
from workers.cache.base import CacheStatus
from workers.compose import outgoing_of
from workers.crew import Staff
from workers.enrich.crew import sum_of, sum_of_caches
from workers.enrich.enricher import LocalEnricher
from workers.enrich.outcome import Written
from workers.errors import DeviceLost, ModelDown
from workers.serving import sources_of
from workers.settings import BatchSettings, Settings
from workers.telemetry.sources import ServedModel
from workers.telemetry.steps import ANSWER, StepTimes
from workers.transport.base import IncomingRecord


def records(*texts: str) -> list[IncomingRecord]:
    return [incoming(payload(text, name=str(n)), offset=n) for n, text in enumerate(texts)]


def values(written: list[Written]) -> list[bytes | None]:
    return [one.record.value for one in written]


def held(gate: Gate) -> OracleModel:
    model = oracle()
    model.before_forward = gate.wait
    return model


def test_a_crew_writes_the_bytes_that_one_process_writes_and_tells_the_same_steps() -> None:
    asked = [*records("Anna met Bert.", f"{POISON} here.", "Some words more."), incoming(b"{", offset=3)]
    with oracle_pipeline() as pipeline, crew_of(oracle(), oracle()) as crew:
        alone, together = StepTimes(), StepTimes()
        expected = LocalEnricher(pipeline, outgoing_of(Settings())).enrich(asked, alone)
        found = crew.enrich(asked, together)
    assert values(found) == values(expected)
    assert [(one.failure, one.stages, one.enriched) for one in found] == [
        (one.failure, one.stages, one.enriched) for one in expected
    ]
    assert list(together.seconds()) == list(alone.seconds())
    assert ANSWER in [interval.step for interval in together.intervals()]


def test_epochs_go_to_whoever_has_least_to_do() -> None:
    with Gate() as first, Gate() as second, crew_of(held(first), held(second)) as crew, ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(crew.enrich, records(f"Text {n}."), StepTimes()) for n in range(4)]
        until(lambda: [mate.busy for mate in crew.mates] == [2, 2])
        first.open()
        until(lambda: sum(answer.done() for answer in answers) == 2)
        assert crew.enrich(records("More."), StepTimes())[0].enriched
        second.open()
        assert all(answer.result()[0].enriched for answer in answers)


def test_counts_are_those_of_all_members_and_the_least_budget() -> None:
    with crew_of(oracle(), oracle(), settings=Settings(batch=BatchSettings(calibrate=False))) as crew:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda n: crew.enrich(records(f"Text number {n}."), StepTimes()), range(10)))
        until(lambda: crew.state().batchers.get("default", BatcherStats()).windows == 10)
        state = crew.state()
    assert state.tokens == state.answered_tokens == 0
    assert (state.cache.available, state.cache.hits) == (False, 0)
    one, other = BatcherStats(batches=2, max_padded_tokens=64), BatcherStats(batches=3, max_padded_tokens=32)
    assert sum_of([one, other]) == BatcherStats(batches=5, max_padded_tokens=32)
    well, away = CacheStatus(True, 5, 4, 3, 2), CacheStatus(False, 1, 1, 1, 1)
    assert sum_of_caches([well, away]) == CacheStatus(False, 6, 5, 4, 3)


def test_metrics_tell_of_a_crew_what_they_tell_of_a_process() -> None:
    with crew_of(oracle(), oracle()) as crew:
        served = (ServedModel("default", "oracle", "0" * 64, "fp32", "cpu"),)
        sources = sources_of(Staff(crew, served, None, crew.memory, load_s=1.0))
        for n in range(4):
            crew.enrich(records(f"Text number {n}."), StepTimes())
        until(lambda: sources.batchers["default"]().windows == 4)
        assert sources.memory() == {}
        assert not sources.cache().available


def test_an_epoch_is_enriched_under_the_calibrations_that_were_in_force_when_it_went() -> None:
    in_force: list[Calibration] = []
    with crew_of(oracle(), calibrations=lambda: tuple(in_force)) as crew:
        before = values(crew.enrich(records(TEXT), StepTimes()))
        in_force.append(calibration(temperature=2.0))
        after = values(crew.enrich(records(TEXT), StepTimes()))
    assert [orjson.loads(value or b"")["receipts"][0].get("calibration") is None for value in before + after] == [
        True,
        False,
    ]


def test_a_model_that_is_away_is_told_as_what_it_is() -> None:
    model = oracle()

    def away() -> None:
        raise ModelDown("nobody answers at the endpoint")

    model.before_forward = away
    with crew_of(model) as crew, pytest.raises(ModelDown, match="nobody answers"):
        crew.enrich(records("Text."), StepTimes())


def test_a_rehearsal_asks_every_member() -> None:
    first, broken = oracle(), oracle()
    broken.broken = True
    with crew_of(first, oracle()) as crew:
        crew.rehearse()
    assert len(first.batches) == 1
    with crew_of(oracle(), broken) as crew, pytest.raises(DeviceLost):
        crew.rehearse()


def test_a_member_that_is_gone_is_told_to_those_who_wait_and_to_all_who_come() -> None:
    with Gate() as gate, crew_of(oracle(), held(gate)) as crew, ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(crew.enrich, records(f"Text {n}."), StepTimes()) for n in range(2)]
        until(lambda: any(answer.done() for answer in answers))
        gone = next(mate for mate in crew.mates if mate.busy)
        gone.leave()
        until(lambda: gone.lost is not None)
        (waiting,) = [answer for answer in answers if answer.exception() is not None]
        assert "it was told to" in str(waiting.exception())
        with pytest.raises(DeviceLost, match="it was told to"):
            crew.enrich(records("Text."), StepTimes())
        gate.open()


def test_one_may_join_while_others_work() -> None:
    with Gate() as gate, crew_of(held(gate)) as crew, crew_of(oracle()) as other, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(crew.enrich, records("Text."), StepTimes())
        until(lambda: crew.mates[0].busy == 1)
        crew.add(other.mates[0])
        assert crew.processes == 2
        assert crew.enrich(records("Text."), StepTimes())[0].enriched
        gate.open()
        assert waiting.result()[0].enriched


def test_one_that_never_joins_is_told_to_all_who_come() -> None:
    with crew_of(oracle()) as crew:
        crew.give_up(DeviceLost("an enriching process is gone before it was ready: exit code 1"))
        with pytest.raises(DeviceLost, match="before it was ready"):
            crew.enrich(records("Text."), StepTimes())


def test_one_that_is_heard_of_again_is_not_overdue() -> None:
    clock = FakeClock()
    with crew_of(oracle(), silence_s=60.0, clock=clock) as crew:
        assert crew.overdue() is None
        clock.advance(61.0)
        until(lambda: crew.overdue() is None)


def test_a_member_that_falls_silent_is_noticed() -> None:
    clock = FakeClock()
    with crew_of(oracle(), silence_s=60.0, clock=clock) as crew:
        crew.mates[0].leave()
        until(lambda: crew.mates[0].lost is not None)
        clock.advance(61.0)
        assert crew.overdue() == "an enriching process has not been heard of for 61 s"


def test_a_call_that_does_not_come_back_is_told() -> None:
    settings = Settings(batch=BatchSettings(stuck_after_s=1.0))
    with Gate() as gate, crew_of(held(gate), settings=settings) as crew, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(crew.enrich, records("Text."), StepTimes())
        until(lambda: crew.overdue() is not None)
        assert "has not come back" in str(crew.overdue())
        gate.open()
        assert answer.result()[0].enriched
