"""One transactional producer and the one thread that calls it, so that a call that does not return can be left behind.

A lane is thrown away, never repaired: what its producer left open is ended by the initialisation of its successor.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

ProducerT = TypeVar("ProducerT")


class Lane(Generic[ProducerT]):
    """Makes its producer on first use. Not to be shared: one caller at a time."""

    def __init__(
        self,
        make_producer: Callable[[], ProducerT],
        *,
        close: Callable[[ProducerT, float], None],
        force_close: Callable[[ProducerT], None],
    ) -> None:
        """`close` may take as many seconds as it is given; `force_close` must not wait for what the producer has not
        delivered, and is called on a thread of its own."""
        self._make_producer = make_producer
        self._close_producer = close
        self._force_close = force_close
        self._calls: SimpleQueue[tuple[Callable[[ProducerT], None], Future[None]] | None] = SimpleQueue()
        self._lock = threading.Lock()  # guards the two below
        self._producer: ProducerT | None = None
        self._left = False
        # A daemon: a thread stuck in the client must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="kafka-producer", daemon=True)
        self._thread.start()

    def call(self, action: Callable[[ProducerT], None], *, timeout_s: float) -> None:
        """Run `action` on the lane's thread. Raises what it raised, or TimeoutError; then throw it away."""
        done: Future[None] = Future()
        self._calls.put((action, done))
        done.result(timeout_s)

    def throw_away(self) -> None:
        """Never blocks and never flushes. What the producer left open is aborted by its successor's initialisation."""
        with self._lock:
            self._left = True
            producer = self._producer
        self._calls.put(None)
        if producer is not None:
            threading.Thread(target=self._force_close, args=(producer,), name="kafka-close", daemon=True).start()

    def close(self, *, timeout_s: float) -> None:
        """End a healthy lane; one that does not end in time is thrown away."""
        try:
            self.call(lambda producer: self._close_producer(producer, timeout_s), timeout_s=timeout_s)
        except Exception as error:  # noqa: BLE001  boundary: there is nobody left to tell
            log.debug("the producer did not close: %s", error)
        self.throw_away()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            action, done = call
            try:
                action(self._made())
            except BaseException as error:  # noqa: BLE001  boundary: the caller gets it
                done.set_exception(error)
            else:
                done.set_result(None)
            del call, action, done  # while it waits it must not keep alive what it was given

    def _made(self) -> ProducerT:
        if self._producer is None:
            producer = self._make_producer()
            with self._lock:
                self._producer = producer
                left = self._left
            if left:
                self._force_close(producer)
                raise TimeoutError("the lane was left while its producer was made")
        return self._producer
