"""Counts each record as it comes; what was counted is written and acknowledged together. Knows no Faust by name.

The offsets that Faust commits tell others how far behind the application is, and nothing else: where reading starts is
in the table, behind what was counted (decision 0015).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from workers.insights.chain import Chain, Partition
from workers.insights.facts import headers_of
from workers.insights.state import Delivered, Insights, scope_of

Seek = Callable[[Partition, int], Awaitable[None]]
AGAIN_S = 0.5  # a partition is not sought again before: what was read till then still comes, and Faust skips as much


class Counter:
    """Faust loses records on their way from its consumer: its queues are emptied when a recovery ends, and what is in
    them by then has been read. So a partition of which one is missing is read again from there, till it comes.
    """

    def __init__(
        self,
        state: Insights,
        table: MutableMapping[str, Any],
        chain: Chain,
        seek: Seek,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state, self._table, self._chain, self._seek = state, table, chain, seek
        self._clock = clock  # not the state's, which may be set back
        self._counted: list[Any] = []  # events
        self._missing: dict[Partition, float] = {}  # when each was last sought
        self._taken_s = clock()

    async def count(self, stream: Any) -> None:
        async for event in stream.noack().events():
            self.take(event)

    def take(self, event: Any) -> None:
        """Count it, unless what comes before it is missing: then it will come again."""
        self._taken_s = self._clock()
        record = delivered(event.message)
        partition, position = (record.topic, record.partition), self._state.position(record.scope)
        if not self._chain.follows(partition, record.offset, position=position):
            self._missing.setdefault(partition, float("-inf"))
            return
        if record.offset >= position:
            self._missing.pop(partition, None)
        self._state.receive(record)
        self._counted.append(event)
        if len(self._counted) >= self._state.settings.batch_records:
            self.settle()

    async def read_again(self) -> None:
        """Called now and then: seek what is missing. What was read and does not come when nothing else does is, too."""
        now_s = self._clock()
        if now_s - self._taken_s >= AGAIN_S:
            for partition, end in self._chain.ends().items():
                if end > self._state.position(scope_of(*partition)):
                    self._missing.setdefault(partition, float("-inf"))
        for partition, sought_s in list(self._missing.items()):
            if now_s - sought_s >= AGAIN_S:
                self._missing[partition] = now_s
                await self._seek(partition, self._state.position(scope_of(*partition)))

    def settle(self) -> None:
        """Write what was counted since the last time, and acknowledge it; without waiting, so nothing comes between."""
        counted, self._counted = self._counted, []
        if not counted:
            return
        write(self._state, self._table)
        self._state.took(len(counted))
        for event in counted:
            event.ack()


def write(state: Insights, table: MutableMapping[str, Any]) -> None:
    """What changed since the last call; without waiting, so that no record is counted in between."""
    for key, value in state.changes().items():
        if value is not None:
            table[key] = value
        elif key in table:
            del table[key]


def delivered(message: Any) -> Delivered:
    """Faust's message as ours."""
    return Delivered(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        time_s=message.timestamp,
        headers=headers_of(message.headers),
        value=message.value,
        key=message.key,
    )
