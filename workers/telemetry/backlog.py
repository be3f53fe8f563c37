"""How much work waits for a worker, in seconds of its own time: lag x tokens per document / tokens per second.

Tokens a second are what the worker does while more waits than it has taken. A worker with little to do spends its time
waiting for documents and for half-empty epochs, so what it does then says nothing about what it could do. Epochs that
are under way together share the device and end together, three commits in a moment and then none for long: so what was
answered of them counts with what is committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

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
        self._fresh_tokens = self._fresh_s = 0.0  # the same since the last commit
        self._committed_tokens = 0
        self._load, self._told_s, self._done_tokens = Load(), 0.0, 0.0  # where it stood when it last told
        self._interrupted = True  # whether what is done by then cannot be held against what is done now

    def assume(self, tokens_per_s: float | None) -> None:
        """The calibrated speed, once it is known."""
        self._assumed_tokens_per_s = tokens_per_s

    def standing(self, load: Load) -> None:
        """Time and progress since it was told last count if something was waiting at both ends."""
        now_s, done_tokens = self._clock(), self._committed_tokens + self._answered(load)
        if load.waiting > 0 and self._load.waiting > 0 and not self._interrupted:
            self._fresh_tokens += done_tokens - self._done_tokens
            self._fresh_s += now_s - self._told_s
        self._load, self._told_s, self._done_tokens = load, now_s, done_tokens
        self._interrupted = self._documents == 0  # how long they are is not known yet

    def committed(self, epoch: CommittedEpoch) -> None:
        fade = 0.5 ** (epoch.count / HALF_LIFE_DOCUMENTS)
        self._tokens = fade * self._tokens + epoch.tokens
        self._documents = fade * self._documents + epoch.count
        self._committed_tokens += epoch.tokens
        self._add_fresh()

    def aborted(self) -> None:
        """The time since the last commit and until it tells again is that of a fault, and what was under way is done
        again."""
        self._interrupted, self._fresh_tokens, self._fresh_s = True, 0.0, 0.0
        self._load = replace(self._load, documents=0, answered=0, answered_tokens=0)

    def _answered(self, load: Load) -> float:
        """Tokens of what is under way that are done."""
        return load.answered_tokens + load.answered * self.tokens_per_document

    def _add_fresh(self) -> None:
        fade = 0.5 ** (self._fresh_s / HALF_LIFE_S)
        self._busy_tokens = fade * self._busy_tokens + self._fresh_tokens
        self._busy_s = fade * self._busy_s + self._fresh_s
        self._fresh_tokens = self._fresh_s = 0.0

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

        What is under way lags until it is committed, but some of it is done: as much as was answered when the worker
        last told, and what the time since then was good for.
        """
        speed, load = self.tokens_per_s, self._load
        if load.lag_records == 0:
            return 0.0
        if speed is None:
            return None
        under_way = min(load.documents, load.lag_records) * self.tokens_per_document
        done = self._answered(load) + speed * (self._clock() - self._told_s)
        return (self.backlog_tokens - min(under_way, done)) / speed
