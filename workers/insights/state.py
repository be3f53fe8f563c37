"""Everything the application knows, without Faust, Kafka or HTTP: what a record changes, and what has to be written.

The state in memory is what counts. A table is written from it and read once, after a restart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from schemas import DriftAlert
from schemas.sentinel import SENTINEL_HEADER
from workers.insights.drift import DriftMonitor, Reference
from workers.insights.facts import Headers, read_dead, read_enriched
from workers.insights.ledger import Ledger
from workers.insights.proposals import Proposals
from workers.insights.recent import RecentRecords
from workers.insights.verdicts import Verdicts
from workers.settings import CalibrationSettings, InsightsSettings, KafkaSettings

Clock = Callable[[], float]  # seconds since 1970

DRIFT_KEY = "drift"
ALERT_PREFIX = "alert|"
POSITION_PREFIX = "position|"
KEPT_ALERTS = 50
IDLE_S = 3.0  # without a batch for so long, nothing is waiting

Changes = dict[str, dict[str, Any] | None]  # table key -> value; None to delete


@dataclass(frozen=True, slots=True)
class Delivered:
    """A record as Kafka delivers it, perhaps a second time."""

    topic: str
    partition: int
    offset: int
    time_s: float
    headers: Headers
    value: bytes | None
    key: bytes | None = None

    @property
    def scope(self) -> str:
        return scope_of(self.topic, self.partition)


def scope_of(topic: str, partition: int) -> str:
    """How a partition is named in the table."""
    return f"{topic}/{partition}"


class Insights:
    """Owned by one event loop; nothing here waits."""

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: InsightsSettings,
        calibration: CalibrationSettings | None = None,
        *,
        clock: Clock,
        pinned: Reference | None = None,
    ) -> None:
        self.kafka, self.settings, self.clock = kafka, settings, clock
        self.calibration = calibration or CalibrationSettings()
        self.proposals = Proposals()
        self.ledger = Ledger()
        self.verdicts = Verdicts(settings.max_verdicts)
        self.drift = DriftMonitor(settings, pinned)
        self.recent = RecentRecords(limit=settings.recent_records, limit_bytes=settings.recent_bytes)
        self.alerts: deque[DriftAlert] = deque(maxlen=KEPT_ALERTS)
        self.started_s = clock()
        self.restored = False
        self.caught_up = False  # nothing more was waiting when the last batch was taken
        self._last_batch_s = self.started_s
        self._windows_compared = 0
        self._drift_changed = False
        self._new_alerts: list[DriftAlert] = []
        self._positions: dict[str, int] = {}
        self._moved: set[str] = set()

    def position(self, scope: str) -> int:
        """The offset in topic/partition before which everything has been received."""
        return self._positions.get(scope, 0)

    def receive(self, record: Delivered) -> None:
        """Count a record, whatever it is, where it was not counted yet."""
        if record.offset < self.position(record.scope):
            return
        self._positions[record.scope] = record.offset + 1
        self._moved.add(record.scope)
        if record.topic == self.settings.corrections_topic:
            self.verdicts.receive(record.value)
            return
        if record.topic == self.calibration.topic:
            self.proposals.receive((record.key or b"").decode("utf-8", "replace"), record.value)
            return
        if record.topic == self.kafka.dead_topic:
            fact, content = read_dead(record.value, record.time_s)
        else:
            fact, content = read_enriched(record.value, record.headers, record.time_s)
        new = self.ledger.fold(record.scope, record.offset, record.time_s, fact, now_s=self.clock())
        if new and content is not None:
            sentinel = SENTINEL_HEADER in record.headers
            position = f"{record.scope}/{record.offset}"
            self.recent.add(position, record.time_s, content, len(record.value or b""), sentinel=sentinel)

    def took(self, records: int) -> None:
        """Called after each batch, and now and then without one: whether more is waiting."""
        now_s = self.clock()
        if records:
            self._last_batch_s = now_s
        idle = records == 0 and now_s - self._last_batch_s > IDLE_S
        self.caught_up = self.restored and (idle or 0 < records < self.settings.batch_records or self.caught_up)
        if records >= self.settings.batch_records:
            self.caught_up = False

    def watch(self) -> list[DriftAlert]:
        """Compare the windows that are over; call `told` when the alerts were sent, and before that nothing is written.

        While it reads old records the application does not know the newest windows whole: then it waits.
        """
        alerts: list[DriftAlert] = []
        if self.caught_up:
            for start_s, end_s in self.drift.due(self.clock()):
                self._windows_compared += 1
                alerts += self.drift.compare(start_s, end_s, self.ledger.between(start_s, end_s))
        return alerts

    def told(self, alerts: list[DriftAlert]) -> None:
        """Sent and acknowledged: a crash before this sends them again under the same id, a crash after it does not."""
        self._drift_changed |= self._windows_compared > 0
        self._windows_compared = 0
        self.alerts.extend(alerts)
        self._new_alerts += alerts

    def pin(self, window: str) -> None:
        """Make what is counted in that window (`minute`, `hour`, `day`) the reference of drift; kept over restarts.

        Raises ValueError, a sentence, if it cannot be.
        """
        if not self.caught_up:
            raise ValueError("what is on the topics is still being read: try again when it is")
        now_s = self.clock()
        self.drift.pin(self.ledger.window(window, now_s), at_s=now_s)
        self._drift_changed = True

    def changes(self) -> Changes:
        """What is to be written since the last call, positions last: the changelog keeps the order, so where a position
        was restored, what comes before it was too."""
        changes: Changes = dict(self.ledger.changes())
        changes |= self.verdicts.changes()
        changes |= self.proposals.changes()
        changes |= dict.fromkeys(self.ledger.expire(self.clock()))
        if self._drift_changed:
            changes[DRIFT_KEY] = self.drift.dump()
            self._drift_changed = False
        for alert in self._new_alerts:
            changes[f"{ALERT_PREFIX}{alert.measure}"] = alert.model_dump(mode="json")
        self._new_alerts = []
        changes |= {POSITION_PREFIX + scope: {"next": self._positions[scope]} for scope in sorted(self._moved)}
        self._moved.clear()
        return changes

    def load(self, items: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what the table restored."""
        self.ledger.load(items)
        self.verdicts.load(items)
        self.proposals.load(items)
        if DRIFT_KEY in items:
            self.drift.load(items[DRIFT_KEY])
        known = [DriftAlert.model_validate(value) for key, value in items.items() if key.startswith(ALERT_PREFIX)]
        self.alerts.extend(sorted(known, key=lambda alert: alert.window_end))
        for key, value in items.items():
            if key.startswith(POSITION_PREFIX):
                self._positions[key.removeprefix(POSITION_PREFIX)] = int(value["next"])
        self._last_batch_s = self.clock()
        self.restored = True
