"""One transactional producer and the one thread that calls it, so that a call that never returns can be left behind.

kafka-python 3.0.12 waits without a time-out when the coordinator dies at the wrong moment (the second of its three
traps), and its `close` waits for the same thing. A lane is therefore thrown away, never repaired.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue

from kafka import KafkaProducer

log = logging.getLogger(__name__)

Action = Callable[[KafkaProducer], None]


class Lane:
    """Makes its producer on first use. Not to be shared: one caller at a time."""

    def __init__(self, make_producer: Callable[[], KafkaProducer]) -> None:
        self._make_producer = make_producer
        self._calls: SimpleQueue[tuple[Action, Future[None]] | None] = SimpleQueue()
        self._lock = threading.Lock()  # guards the two below
        self._producer: KafkaProducer | None = None
        self._left = False
        # A daemon: a thread stuck in the client must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="kafka-producer", daemon=True)
        self._thread.start()

    def call(self, action: Action, *, timeout_s: float) -> None:
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
            threading.Thread(target=force_close, args=(producer,), name="kafka-close", daemon=True).start()

    def close(self, *, timeout_s: float) -> None:
        """End a healthy lane; one that does not end in time is thrown away."""
        try:
            self.call(lambda producer: producer.close(timeout=timeout_s), timeout_s=timeout_s)
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

    def _made(self) -> KafkaProducer:
        if self._producer is None:
            producer = self._make_producer()
            with self._lock:
                self._producer = producer
                left = self._left
            if left:
                force_close(producer)
                raise TimeoutError("the lane was left while its producer was made")
        return self._producer


def force_close(producer: KafkaProducer) -> None:
    """Stop the producer's thread without a flush.

    Reaches into the client: `close(timeout=0)` raises in its flush before it forces anything, and `__del__` and the
    exit handler would try that flush again.
    """
    try:
        if producer._closed:
            return
        producer._closed = True
        producer._unregister_cleanup()
        producer._sender.force_close()
        producer._sender.join(timeout=30.0)  # it closes its sockets as it ends; until then it may be in a connect
        if producer._metrics:
            producer._metrics.close()
    except Exception as error:  # noqa: BLE001  boundary: a producer that is given up cannot harm any more
        log.debug("a producer that was given up did not close cleanly: %s", error)
