"""Whether the topics are still there, looked at while nothing gets done.

Neither client tells that a topic was deleted under it: consumers go on waiting for records, producers for a leader, and
a worker would idle for ever. Imports no client library.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from workers.errors import ConfigurationError, DependencyError

log = logging.getLogger(__name__)

LOOK_AFTER_S = 20.0  # without an epoch published, and between looks


class TopicWatch:
    """`look` returns the topics that are missing, or raises. It runs on a thread of its own, one at a time."""

    def __init__(
        self,
        look: Callable[[], tuple[str, ...]],
        problem_of: Callable[[tuple[str, ...]], ConfigurationError],
        *,
        clock: Callable[[], float] = time.monotonic,
        after_s: float = LOOK_AFTER_S,
    ) -> None:
        self._look = look
        self._problem_of = problem_of
        self._clock = clock
        self._after_s = after_s
        self._since_s = clock()
        self._thread: threading.Thread | None = None
        self._missing: tuple[str, ...] = ()
        self._problem: ConfigurationError | None = None

    def progress(self) -> None:
        """Something was published, so nothing is missing. Any thread."""
        self._since_s = self._clock()
        self._missing = ()

    def check(self) -> None:
        """Never waits. Raises ConfigurationError once two looks in a row found a topic missing: a broker that has just
        started may not know all of them yet."""
        if self._problem is not None:
            raise self._problem
        if self._clock() - self._since_s >= self._after_s and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._run, name="kafka-topics", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            missing = self._look()
        except ConfigurationError as error:
            self._problem = error
        except DependencyError as error:
            log.debug("nobody could be asked for the topics: %s", error)
        else:
            if missing and missing == self._missing:
                self._problem = self._problem_of(missing)
            self._missing = missing
        self._since_s = self._clock()
