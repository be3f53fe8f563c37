"""Which letters are meant: by step, code, id, time and position. Everything that is asked for must hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas import FailedStep
from workers.deadletters.letters import Letter, Position
from workers.errors import ConfigurationError

DURATION = re.compile(r"(\d{1,9})(s|m|h|d|w)", re.ASCII)
UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """None, or no position, asks for nothing. A record that is not a letter has neither stage, code nor id."""

    stage: FailedStep | None = None
    code: str | None = None
    id: str | None = None
    since_ms: int | None = None  # that moment included
    until_ms: int | None = None  # that moment excluded
    positions: frozenset[Position] = frozenset()

    def matches(self, letter: Letter) -> bool:
        content = letter.content
        return (
            (self.stage is None or (content is not None and content.stage == self.stage))
            and (self.code is None or (content is not None and content.code == self.code))
            and (self.id is None or (content is not None and content.id == self.id))
            and self._in_time(letter.timestamp_ms)
            and (not self.positions or letter.position in self.positions)
        )

    def _in_time(self, timestamp_ms: int | None) -> bool:
        if timestamp_ms is None:
            return self.since_ms is None and self.until_ms is None
        return (self.since_ms is None or timestamp_ms >= self.since_ms) and (
            self.until_ms is None or timestamp_ms < self.until_ms
        )


def moment_ms(text: str, *, now_ms: int) -> int:
    """A moment as ISO 8601, UTC unless it names a zone, or how long ago it was (`90s`, `30m`, `2h`, `7d`, `2w`). Raises
    ConfigurationError."""
    if ago := DURATION.fullmatch(text):
        return now_ms - int(ago[1]) * UNIT_MS[ago[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is not a time: give ISO 8601 such as 2026-01-31T12:00Z, or how long ago, such as 2h"
        ) from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
