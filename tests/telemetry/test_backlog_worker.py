"""The backlog metric of a real worker whose device is a clock: what it says soon after the start is what was needed.

Only passes take time, and they take it from the clock. One epoch at a time, so that the clock stands while the loop
looks at what ended, and nothing depends on how fast this machine is or what else it does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from benchmarks.clock import ClockModel
from benchmarks.documents import read_samples, without_books
from tests.fakes.clock import FakeClock
from workers.compose import open_worker
from workers.settings import DEFAULT_MODEL, EpochSettings, Settings
from workers.telemetry.backlog import BacklogMeter
from workers.telemetry.prometheus import PrometheusRecorder
from workers.telemetry.recorder import Load
from workers.transport.memory import MemoryLog, MemoryTransport

DOCUMENTS = 420
TOKENS_PER_S, PASS_S = 4_000.0, 0.02
SETTINGS = Settings(epoch=EpochSettings(max_records=32, max_in_flight=1, poll_ms=5))


@dataclass
class Watched(PrometheusRecorder):
    """Notes what the metric says, and when."""

    meter: BacklogMeter
    fake: FakeClock
    said: list[tuple[float, float, bool]] = field(default_factory=list)  # when, seconds, measured

    def __post_init__(self) -> None:
        PrometheusRecorder.__init__(self, self.meter)

    def standing(self, load: Load) -> None:
        super().standing(load)
        if (seconds := self.meter.backlog_s) is not None:
            self.said.append((self.fake(), seconds, self.meter.measured))


@pytest.mark.parametrize("assumed", [None, TOKENS_PER_S * 3])
def test_what_the_metric_says_soon_after_the_start_is_what_the_clock_needs(assumed: float | None) -> None:
    fake = FakeClock()
    watched = Watched(BacklogMeter(assumed_tokens=254.0, assumed_tokens_per_s=assumed, clock=fake), fake)
    log = MemoryLog(partitions=3)
    for sample in without_books(read_samples(None, 2 * DOCUMENTS))[:DOCUMENTS]:
        log.append("documents", sample.id.encode(), sample.value)
    model = ClockModel(TOKENS_PER_S, PASS_S, sleep=fake.advance)
    with open_worker(SETTINGS, {DEFAULT_MODEL: model}, MemoryTransport(log)) as worker:
        worker.recorder, worker.clock = watched, fake
        began_s = fake()
        worker.run()
    ended_s = fake()
    measured = [(at, seconds) for at, seconds, is_measured in watched.said if is_measured]
    assert measured[0][0] - began_s < (ended_s - began_s) / 3, "not soon after the start"
    for at, seconds in (measured[0], measured[len(measured) // 2]):
        assert seconds == pytest.approx(ended_s - at, rel=0.2)
