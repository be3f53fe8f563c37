"""Whether a worker lives, is ready and has started, as an orchestrator asks. Redis is no part of it: it may be down.

startup   the models are loaded, the group was joined, and the loop has turned
ready     and the broker answers, and nobody told it to stop
live      the loop turned lately, or has not begun yet
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from workers.telemetry.recorder import CommittedEpoch, Load


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer to a probe, and what is wrong, in words of ours."""

    ok: bool
    why: str = ""


class Health:
    """A Recorder that is asked by other threads."""

    def __init__(self, *, stalled_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stalled_s = stalled_s
        self._clock = clock
        self._doing = "starting"
        self._turned_s: float | None = None
        self._load: Load | None = None
        self._joined = False

    def doing(self, what: str) -> None:
        """What the start is at."""
        self._doing = what

    def turned(self) -> None:
        self._turned_s = self._clock()

    def committed(self, epoch: CommittedEpoch) -> None:
        pass

    def aborted(self, epochs: int) -> None:
        pass

    def standing(self, load: Load) -> None:
        self._load = load
        self._joined = self._joined or load.problem is None

    def startup(self) -> Verdict:
        if self._turned_s is None:
            return Verdict(False, self._doing)
        return Verdict(True) if self._joined else Verdict(False, "joining the group")

    def ready(self) -> Verdict:
        started, load = self.startup(), self._load
        if not started.ok or load is None:
            return started
        if load.stopping:
            return Verdict(False, "stopping")
        return Verdict(load.problem is None, load.problem or "")

    def live(self) -> Verdict:
        turned_s = self._turned_s
        if turned_s is None:
            return Verdict(True)
        silent_s = self._clock() - turned_s
        if silent_s > self._stalled_s:
            return Verdict(False, f"the loop has not turned for {silent_s:.0f} s")
        return Verdict(True)
