"""One process of a crew: takes jobs from a connection, enriches several at a time, and tells where it stands."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from threading import Lock

from workers.enrich.crew_messages import Broken, Done, FromMember, Job, Told, ToMember
from workers.enrich.enricher import LocalEnricher
from workers.errors import EnrichError
from workers.telemetry.steps import StepTimes

log = logging.getLogger(__name__)

TELL_S = 0.5

Memory = Mapping[str, Mapping[str, int]]


class Member:
    """Works until it is told to leave, or nobody is at the other end any more. What is under way then is left: the
    records are read again."""

    def __init__(
        self,
        connection: Connection,
        enricher: LocalEnricher,
        *,
        memory: Callable[[], Memory] = dict,
        tell_s: float = TELL_S,
    ) -> None:
        self.connection = connection
        self._enricher = enricher
        self._memory = memory
        self._tell_s = tell_s
        self._sending = Lock()

    def work(self, *, at_once: int) -> None:
        """So many jobs at a time."""
        pool = ThreadPoolExecutor(at_once, thread_name_prefix="pipeline")
        try:
            while isinstance(message := self._next(), Job):
                pool.submit(self._do, message)
        except (EOFError, OSError):
            log.debug("nobody is at the other end")
        pool.shutdown(wait=False, cancel_futures=True)

    def _next(self) -> ToMember:
        """The next message; meanwhile it tells where it stands."""
        next_s = 0.0
        while True:
            if (now_s := time.monotonic()) >= next_s:
                self._send(Told(self._enricher.state(), self._enricher.overdue(), self._memory()))
                next_s = now_s + self._tell_s
            if self.connection.poll(max(0.0, next_s - now_s)):
                message: ToMember = self.connection.recv()
                return message

    def _do(self, job: Job) -> None:
        try:
            answer: FromMember = self._done(job)
        except EnrichError as error:
            answer = Broken(job.number, error)
        except Exception as error:
            log.exception("an epoch could not be enriched")
            answer = Broken(job.number, EnrichError(f"{type(error).__name__} in an enriching process"))
        try:
            self._send(answer)
        except OSError:
            log.debug("nobody takes the answer")

    def _done(self, job: Job) -> Done:
        if job.records is None:
            self._enricher.rehearse()
            return Done(job.number, (), {}, ())
        steps = StepTimes()
        written = self._enricher.under(job.calibrations).enrich(job.records, steps)
        return Done(job.number, written, steps.seconds(), steps.intervals())

    def _send(self, message: FromMember) -> None:
        with self._sending:
            self.connection.send(message)
