"""Puts the documents on the input topic, on a thread, at a pace that lets them last as long as the faults do."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from kafka import KafkaProducer

from tests.chaos.verdict import document
from workers.settings import KafkaSettings
from workers.transport.kafka_client import connection_options, open_client
from workers.transport.kafka_records import NullableValues, send

PATIENCE_S = 120.0  # for a record to be acknowledged, over the death of a broker
STEP_S = 0.05


@dataclass(slots=True)
class Feed:
    """Use as a context. What really is on the topic is read back by the judge; this only has to put it there."""

    settings: KafkaSettings
    documents: int
    sent: int = 0
    held_up_s: float = 0.0  # the longest that a short sleep took too long: then the machine had no time for anybody
    _until_s: float = 0.0  # when all are to be there, on the monotonic clock
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _problem: Exception | None = None

    def last_for(self, seconds: float) -> None:
        """Spread what is left over this time; 0 sends it at once."""
        self._until_s = time.monotonic() + seconds

    @property
    def finished(self) -> bool:
        """Whether every document was acknowledged. Raises what went wrong."""
        if self._problem is not None:
            raise RuntimeError("the documents could not be sent") from self._problem
        return self._thread is not None and not self._thread.is_alive()

    def __enter__(self) -> Feed:
        self._thread = threading.Thread(target=self._run, name="chaos-feed", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *about: object) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        try:
            producer = open_client(
                KafkaProducer,
                **connection_options(self.settings, role="feed"),
                acks="all",
                enable_idempotence=True,
                delivery_timeout_ms=int(PATIENCE_S * 1000),
                max_block_ms=int(PATIENCE_S * 1000),
                value_serializer=NullableValues(),
                metrics_enabled=False,
            )
            try:
                self._send_all(producer)
            finally:
                producer.close(timeout=10.0)
        except Exception as error:  # noqa: BLE001  boundary: `finished` tells it
            self._problem = error

    def _send_all(self, producer: KafkaProducer) -> None:
        under_way = []
        while self.sent < self.documents and not self._ending.is_set():
            steps_left = max(1.0, (self._until_s - time.monotonic()) / STEP_S)
            count = -int(-(self.documents - self.sent) // steps_left)
            for number in range(self.sent, min(self.documents, self.sent + count)):
                under_way.append(send(producer, document(self.settings.input_topic, number)))
                self.sent += 1
            before_s = time.monotonic()
            time.sleep(STEP_S)
            self.held_up_s = max(self.held_up_s, time.monotonic() - before_s - STEP_S)
        producer.flush(timeout=PATIENCE_S)
        for future in under_way:
            future.get(timeout=PATIENCE_S)
