"""Real producers with scripted faults, given to the Kafka transport in place of the client's own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from enum import Enum

from kafka import KafkaProducer
from kafka.errors import FencedInstanceIdError, KafkaConnectionError, KafkaError
from kafka.net.compat import KafkaNetClient


class CommitFault(Enum):
    """What happens, once, instead of a plain commit."""

    REFUSED = "refused"  # raises before anything is committed
    ANSWER_LOST = "answer lost"  # commits, then raises


class Step(Enum):
    """The steps of an epoch, in their order; the last three are a transaction's."""

    POLL = "poll"
    PREPARE = "prepare"
    FORWARD = "forward"
    DECODE = "decode"
    PUBLISH = "publish"
    OFFSETS = "send offsets"
    COMMIT = "commit"


class FaultScript:
    """Shared by all producers made from it; each fault happens once, in order."""

    def __init__(self) -> None:
        self.commits: deque[CommitFault] = deque()
        self.producers = 0
        self.dropped_requests = 0  # how many of the next transactional requests the network loses, as in trap 2
        self.retriable_commits = 0  # how many of the next commits librdkafka asks to try again
        self.names_taken = 0  # how many of the next epochs are refused because a newer member has the name
        self.offsets_may_go = threading.Event()  # while not set, producers wait before adding offsets
        self.offsets_may_go.set()
        self.producers_may_start = threading.Event()  # while not set, the next ones wait before they fence the last
        self.producers_may_start.set()
        self.reached: Callable[[Step], None] = lambda step: None  # told before each step, in the producer's thread
        self.unstoppable = False  # a forced close comes too late: what was sent is in the network already

    def make(self, **options: object) -> ScriptedProducer:
        self.producers += 1
        return ScriptedProducer(self, **options)


class ScriptedProducer(KafkaProducer):  # type: ignore[misc]  # the client has no types
    """A KafkaProducer that does what the script says."""

    def __init__(self, script: FaultScript, **options: object) -> None:
        self.script = script
        super().__init__(**options | {"kafka_client": lambda **client: LossyClient(script, **client)})
        if script.unstoppable:
            self._sender.force_close = lambda: None

    def init_transactions(self) -> None:
        self.script.producers_may_start.wait(30.0)
        super().init_transactions()

    def begin_transaction(self) -> None:
        super().begin_transaction()
        self.script.reached(Step.PUBLISH)

    def send_offsets_to_transaction(self, offsets: object, group_metadata: object) -> None:
        self.script.reached(Step.OFFSETS)
        self.script.offsets_may_go.wait(30.0)
        if self.script.names_taken > 0:
            self.script.names_taken -= 1
            raise FencedInstanceIdError
        super().send_offsets_to_transaction(offsets, group_metadata)

    def commit_transaction(self) -> None:
        self.script.reached(Step.COMMIT)
        fault = self.script.commits.popleft() if self.script.commits else None
        if fault is CommitFault.REFUSED:
            raise KafkaError("scripted: refused")
        super().commit_transaction()
        if fault is CommitFault.ANSWER_LOST:
            raise KafkaError("scripted: the answer was lost")


class LossyClient(KafkaNetClient):  # type: ignore[misc]
    """The coordinator goes away between being chosen and being ready."""

    def __init__(self, script: FaultScript, **options: object) -> None:
        self.script = script
        super().__init__(**options)

    def await_ready(self, node_id: object, timeout_ms: float = 30_000) -> bool:
        if self.script.dropped_requests > 0:
            self.script.dropped_requests -= 1
            raise KafkaConnectionError("scripted: the coordinator is gone")
        return bool(super().await_ready(node_id, timeout_ms))
