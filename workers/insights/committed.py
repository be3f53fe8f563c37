"""What Faust 0.15 does not offer: a consumer that reads only what was committed, starts where the state says and not at
the group's offsets, and tells what it reads; and a table in one partition that is not read back while it is written.

The only module that reaches into Faust's private parts. Decision 0015 says why; tests fail if it stops working.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from faust import Table
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

from workers.insights.chain import Chain, Partition

READ_COMMITTED = "read_committed"
Position = Callable[[Partition], int]  # the offset to read next


class CommittedThread(AIOKafkaConsumerThread):  # type: ignore[misc]  # faust has no types here
    """Faust asks for committed records only where it writes in transactions itself. We read them and write none.

    Faust goes to the offsets of its group after each recovery, and leaves a partition without one wherever it had been
    read to, although what was read till then has been dropped.
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        if not hasattr(consumer, "_isolation_level"):
            raise AttributeError("aiokafka changed: aborted records would be counted")
        consumer._isolation_level = READ_COMMITTED  # read when the consumer starts, which is later
        return consumer

    async def seek_to_committed(self) -> Mapping[TP, int]:
        wanted = {tp: self.transport.position(tp) for tp in self.assignment() if not self._is_changelog(tp)}
        await self.seek_wait(wanted)
        return wanted

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        for tp, offset in partitions.items():
            if not self._is_changelog(tp):
                self.transport.chain.sought((tp.topic, tp.partition), offset)
        await super()._seek_wait(consumer, partitions)

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Any:
        """In the consumer's thread, as `_seek_wait`: neither comes between the other's parts."""
        records = await super()._fetch_records(*args, **kwargs)
        for tp, found in records.items():
            if not self._is_changelog(tp):
                self.transport.chain.read((tp.topic, tp.partition), [record.offset for record in found])
        return records

    def _is_changelog(self, tp: Any) -> bool:
        return tp.topic in self.app.tables.changelog_topics


class CommittedConsumer(Consumer):  # type: ignore[misc]
    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)


class CommittedTransport(Transport):  # type: ignore[misc]
    Consumer = CommittedConsumer

    def __init__(self, *args: Any, position: Position, **options: Any) -> None:
        super().__init__(*args, **options)
        self.position, self.chain = position, Chain()

    async def seek(self, partition: Partition, offset: int) -> None:
        if (tp := TP(*partition)) in self.app.consumer.assignment():
            await self.app.consumer.seek_wait({tp: offset})


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
