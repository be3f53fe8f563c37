"""How much work waits for a worker, in seconds of its own time: lag x tokens per document / tokens per second.

Tokens a second are what the worker does while more waits than it has taken. A worker with little to do spends its time
waiting for documents and for half-empty epochs, so what it does then says nothing about what it could do. Epochs that
are under way together share the device and end together, three commits in a moment and then none for long: so time is
taken over as many commits as there are epochs under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from workers.telemetry.recorder import CommittedEpoch, Load

HALF_LIFE_S = (
    60.0  # of busy time, after which a measurement counts half: long against an epoch, short against a rollout
)
HALF_LIFE_DOCUMENTS = 1_024
BYTES_PER_TOKEN = 5.0  # of a record's value: English text in JSON, until documents of this topic were seen
ENOUGH_S = 10.0  # of busy time before it counts more than what was assumed


class BacklogMeter:
    """Belongs to the worker's thread. Others may read its figures, which then are off by the last epoch at worst."""

    def __init__(
        self,
        *,
        assumed_tokens: float,
        assumed_tokens_per_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """What holds until documents have been seen: tokens per document, and the model's calibrated speed if known."""
        self._clock = clock
        self._assumed_tokens = assumed_tokens
        self._assumed_tokens_per_s = assumed_tokens_per_s
        self._tokens = self._documents = 0.0  # of recent documents
        self._busy_tokens = self._busy_s = 0.0  # while more was waiting
        self._since_s: float | None = None  # a commit, if more was waiting ever since, and
        self._since_tokens = 0  # what was committed since then
        self._commits_left = 0  # until as many were as were under way
        self._begun_s = 0.0  # since when what is under way is worked on
        self._load = Load()

    def assume(self, tokens_per_s: float | None) -> None:
        """The calibrated speed, once it is known."""
        self._assumed_tokens_per_s = tokens_per_s

    def standing(self, load: Load) -> None:
        if self._load.documents == 0:
            self._begun_s = self._clock()
        self._load = load
        if load.waiting == 0:
            self._since_s = None

    def committed(self, epoch: CommittedEpoch) -> None:
        now_s = self._begun_s = self._clock()
        fade = 0.5 ** (epoch.count / HALF_LIFE_DOCUMENTS)
        self._tokens = fade * self._tokens + epoch.tokens
        self._documents = fade * self._documents + epoch.count
        if self._since_s is not None:
            self._since_tokens += epoch.tokens
            self._commits_left -= 1
            if self._commits_left <= 0:
                self._add_busy(self._since_tokens, now_s - self._since_s)
                self._since_s = None
        if self._since_s is None and self._load.waiting > 0:
            self._since_s, self._since_tokens, self._commits_left = now_s, 0, epoch.under_way + 1

    def aborted(self) -> None:
        """The time until the next commit is that of a fault, and what was done is done again."""
        self._since_s = None
        self._begun_s = self._clock()

    def _add_busy(self, tokens: int, busy_s: float) -> None:
        fade = 0.5 ** (busy_s / HALF_LIFE_S)
        self._busy_tokens = fade * self._busy_tokens + tokens
        self._busy_s = fade * self._busy_s + busy_s

    @property
    def measured(self) -> bool:
        return self._busy_s >= ENOUGH_S and self._busy_tokens > 0

    @property
    def tokens_per_document(self) -> float:
        """Until documents with tokens were seen: by the size of those under way, else as assumed."""
        if self._tokens > 0:
            return self._tokens / self._documents
        if self._load.documents > 0:
            return self._load.size_bytes / self._load.documents / BYTES_PER_TOKEN
        return self._assumed_tokens

    @property
    def tokens_per_s(self) -> float | None:
        """None if nothing is known yet: nothing was calibrated, and nothing measured."""
        if self.measured or (self._assumed_tokens_per_s is None and self._busy_tokens > 0):
            return self._busy_tokens / self._busy_s
        return self._assumed_tokens_per_s

    @property
    def backlog_tokens(self) -> float:
        return self._load.lag_records * self.tokens_per_document

    @property
    def backlog_s(self) -> float | None:
        """Seconds until this worker has caught up if nothing more arrives; None if its speed is not known yet.

        What is under way lags until it is committed, but some of it is done: as much as the time since the last commit
        was good for.
        """
        speed, load = self.tokens_per_s, self._load
        if load.lag_records == 0:
            return 0.0
        if speed is None:
            return None
        under_way_s = min(load.documents, load.lag_records) * self.tokens_per_document / speed
        done_s = min(under_way_s, self._clock() - self._begun_s)
        return self.backlog_tokens / speed - done_s
