"""A lane for kafka-python's producer, and how that is ended without waiting for it.

kafka-python 3.0.12 waits without a time-out when the coordinator dies at the wrong moment (the second of its three
traps), and its `close` waits for the same thing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from kafka import KafkaProducer

from workers.transport.lane import Lane

log = logging.getLogger(__name__)


def kafka_lane(make_producer: Callable[[], KafkaProducer]) -> Lane[KafkaProducer]:
    return Lane(
        make_producer,
        close=lambda producer, timeout_s: producer.close(timeout=timeout_s),
        force_close=force_close,
    )


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
