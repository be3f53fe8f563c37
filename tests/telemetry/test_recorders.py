"""What every recorder does, asked of all of them: it takes whatever comes, from any thread, and never raises."""

from __future__ import annotations

from threading import Thread

import pytest

from tests.fakes.recorders import RememberingRecorder, a_load, an_epoch
from workers.telemetry.backlog import BacklogMeter
from workers.telemetry.health import Health
from workers.telemetry.prometheus import PrometheusRecorder
from workers.telemetry.recorder import CommittedEpoch, Load, NullRecorder, Recorder, Recorders


def prometheus() -> PrometheusRecorder:
    return PrometheusRecorder(BacklogMeter(assumed_tokens=254.0))


@pytest.fixture(
    params=[
        NullRecorder,
        RememberingRecorder,
        prometheus,
        lambda: Health(stalled_s=1.0),
        lambda: Recorders(prometheus(), Health(stalled_s=1.0)),
    ],
    ids=["null", "remembering", "prometheus", "health", "several"],
)
def recorder(request: pytest.FixtureRequest) -> Recorder:
    made: Recorder = request.param()
    return made


def test_an_ordinary_hour_raises_nothing(recorder: Recorder) -> None:
    for lag in (500, 400, 0):
        recorder.turned()
        recorder.standing(a_load(lag, documents=min(lag, 128)))
        recorder.committed(an_epoch())
    recorder.aborted(2)
    recorder.standing(Load(problem="the broker is away"))


def test_what_is_told_before_the_first_turn_or_of_nothing_raises_nothing(recorder: Recorder) -> None:
    recorder.aborted(0)
    recorder.committed(CommittedEpoch({}, {}, {}, 0, 0, {}, 0.0))
    recorder.committed(an_epoch(enriched=0, dead=0, tokens=0))
    recorder.standing(Load())
    recorder.turned()


def test_words_that_nobody_knew_before_raise_nothing(recorder: Recorder) -> None:
    """A new step or code must not stop a worker."""
    recorder.committed(
        CommittedEpoch({"new outcome": 1}, {("new", "code"): 1}, {"new stage": 1}, 1, 1, {"new step": 1.0}, 1.0)
    )


def test_several_threads_may_tell_at_once(recorder: Recorder) -> None:
    problems: list[BaseException] = []

    def tell() -> None:
        try:
            for _ in range(200):
                recorder.turned()
                recorder.committed(an_epoch())
                recorder.standing(a_load(10))
        except BaseException as error:  # noqa: BLE001  told to the test
            problems.append(error)

    threads = [Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_several_recorders_are_told_the_same() -> None:
    first, second = RememberingRecorder(), RememberingRecorder()
    both = Recorders(first, second)
    both.turned()
    both.committed(an_epoch())
    both.aborted(3)
    both.standing(a_load(7))
    assert first == second
    assert (first.turns, len(first.epochs), first.aborted_epochs, len(first.loads)) == (1, 1, [3], 1)
