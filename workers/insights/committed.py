"""Two things that Faust 0.15 does not offer: a consumer that reads only what was committed, and a table in a single
partition that is not read back while it is being written.

The only module that reaches into Faust's private parts. Decision 0015 says why; tests fail if it stops working.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from faust import Table
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

READ_COMMITTED = "read_committed"


class CommittedThread(AIOKafkaConsumerThread):  # type: ignore[misc]  # faust has no types here
    """Faust asks for committed records only where it writes in transactions itself. We read them and write none."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        if not hasattr(consumer, "_isolation_level"):
            raise AttributeError("aiokafka changed: aborted records would be counted")
        consumer._isolation_level = READ_COMMITTED  # read when the consumer starts, which is later
        return consumer


class CommittedConsumer(Consumer):  # type: ignore[misc]
    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)


class CommittedTransport(Transport):  # type: ignore[misc]
    Consumer = CommittedConsumer


class StateTable(Table):  # type: ignore[misc]
    """All keys in partition 0 of the changelog, whatever partition the record came from: topics may differ in their
    number of partitions. One process writes it.

    After recovery Faust goes on reading the changelog and would put older values over newer ones.
    """

    recovered = False

    def partition_for_key(self, key: Any) -> int:
        return 0

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        if not self.recovered:
            super().apply_changelog_batch(batch)
