"""Where kafka-python 3.0.12 is mended from outside: the only places that change a consumer's insides.

Each has a test that fails without it, and one that tells when a newer client no longer needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kafka import KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError
from kafka.future import Future


def forget_offset_fetches(consumer: KafkaConsumer) -> None:
    """Make the next look at committed offsets a new one.

    One that timed out stays in the client and answers the next with what was true then: a partition that went away and
    came back would start where it was when it left, and what its other owner did would be done twice.
    """
    consumer._coordinator._offset_fetch_futures.clear()


class KeptJoin:
    """A join under way, so presented that the client waits for it even if it is over.

    The client begins anew when it finds a join that ended between two polls, and throws away the assignment it brought.
    Every member joins again because of that; with polls shorter than a round trip the group never settles.
    """

    def __init__(self, join: Future) -> None:
        self._join = join

    @property
    def is_done(self) -> bool:
        """Only where the client would trip over it again: it drops joins that failed with its own errors."""
        return bool(self._join.failed()) and not isinstance(self._join.exception, KafkaError)

    def add_callback(self, callback: Callable[[object], None]) -> None:
        self._join.add_callback(callback)

    def add_errback(self, errback: Callable[[BaseException], None]) -> None:
        self._join.add_errback(errback)


def keep_join(consumer: KafkaConsumer) -> None:
    """Before every poll: keep the join that an earlier poll began."""
    coordinator = consumer._coordinator
    if isinstance(coordinator._join_task, Future):
        coordinator._join_task = KeptJoin(coordinator._join_task)


class HonestAssignor(CooperativeStickyAssignor):  # type: ignore[misc]  # the client has no types
    """Tells the group what this member owns, not what it owned before it was thrown out.

    The client goes on claiming what it lost. The group's leader then keeps such a partition from its next owner until
    the claimant has given it up; that has nothing to give up, and nobody reads the partition until the next change of
    membership, which may be hours.
    """

    def __init__(self, owned: Callable[[], Iterable[TopicPartition]]) -> None:
        super().__init__()
        self._owned = owned

    def metadata(self, topics: Iterable[str]) -> object:
        self.member_assignment = list(self._owned())
        return super().metadata(topics)
