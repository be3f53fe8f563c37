"""librdkafka's producer with the faults of a script, given to the transport in place of the library's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from tests.fakes.producers import CommitFault, FaultScript, Step


class ScriptedProducer(Producer):  # type: ignore[misc, unused-ignore]  # no types where the extra is missing
    """A Producer that does what the script says."""

    script: FaultScript

    def init_transactions(self, timeout: float = -1) -> None:
        self.script.producers_may_start.wait(30.0)
        super().init_transactions(timeout)

    def begin_transaction(self) -> None:
        super().begin_transaction()
        self.script.reached(Step.PUBLISH)

    def send_offsets_to_transaction(
        self, positions: list[TopicPartition], group_metadata: Any, timeout: float = -1
    ) -> None:
        self.script.reached(Step.OFFSETS)
        self.script.offsets_may_go.wait(30.0)
        if self.script.names_taken > 0:
            self.script.names_taken -= 1
            raise KafkaException(KafkaError(KafkaError.FENCED_INSTANCE_ID, "scripted: fenced", txn_requires_abort=True))
        super().send_offsets_to_transaction(positions, group_metadata, timeout)

    def commit_transaction(self, timeout: float = -1) -> None:
        self.script.reached(Step.COMMIT)
        if self.script.retriable_commits > 0:
            self.script.retriable_commits -= 1
            raise KafkaException(KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, "scripted: later", retriable=True))
        fault = self.script.commits.popleft() if self.script.commits else None
        if fault is CommitFault.REFUSED:
            raise KafkaException(KafkaError(KafkaError.INVALID_TXN_STATE, "scripted: refused", txn_requires_abort=True))
        super().commit_transaction(timeout)
        if fault is CommitFault.ANSWER_LOST:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT, "scripted: the answer was lost"))


def scripted(script: FaultScript) -> Callable[[dict[str, object]], ScriptedProducer]:
    """What makes producers of that script."""

    def make(options: dict[str, object]) -> ScriptedProducer:
        script.producers += 1
        made = ScriptedProducer(options)
        made.script = script
        return made

    return make
