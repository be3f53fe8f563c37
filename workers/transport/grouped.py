"""What transports with a consumer group behind them share: which epochs may be published, and what a rewind gives up.

Exactly once rests on three things kept here: an epoch carries the membership it was read under, nothing is published
that was read before a failure, and after a failure the committed offsets are read only once they are settled.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Generic, cast

from workers.settings import KafkaSettings
from workers.transport.backlog import Backlog
from workers.transport.base import (
    Claim,
    Epoch,
    EpochLimits,
    IncomingRecord,
    OutgoingRecord,
    Partition,
    Standing,
    nothing_to_do,
)
from workers.transport.broker import no_such_topics, topics_of
from workers.transport.deliveries import NO_NOTE, Committed, Deliveries
from workers.transport.marks import Marks
from workers.transport.membership import GroupClaim, MembershipT, Tenures, is_member
from workers.transport.notes import Notes
from workers.transport.publisher import EpochPublisher, Publication, refused
from workers.transport.topics import TopicWatch


class GroupTransport(ABC, Generic[MembershipT]):
    """Implements Transport but for `poll` and `close`, which are a client's own; every method belongs to one thread."""

    def __init__(self, settings: KafkaSettings, publisher: EpochPublisher[Any, MembershipT], tenures: Tenures) -> None:
        self._settings = settings
        self._publisher = publisher
        self._tenures = tenures
        self._backlog = Backlog(tenures)
        self._marks = Marks(tenures)
        self._first_offsets: dict[Partition, int] = {}  # the first ever read here; see _restart_offset
        self._deliveries = Deliveries(tenures)
        self._notes = Notes(self._deliveries, self._read_committed, self._living_members)
        self._reach = 0  # records that may be under way at once
        self._member_id: str | None = None
        self._paused = False
        self._rewinding = False
        self._reading = 0
        self._epochs = 0
        self._last_publication: Future[None] | None = None
        self._last_offsets: Mapping[Partition, int] = {}  # of that publication, until it is in the marks
        self._last_announcement: Future[None] | None = None
        self._topics = TopicWatch(
            lambda: self._missing_topics(topics_of(settings)), lambda missing: no_such_topics(settings, missing)
        )

    @abstractmethod
    def poll(self, limits: EpochLimits, *, timeout_s: float, accept: bool) -> Epoch | None: ...

    @abstractmethod
    def close(self, *, timeout_s: float) -> None: ...

    @abstractmethod
    def _missing_topics(self, topics: Sequence[str]) -> tuple[str, ...]: ...

    @abstractmethod
    def _join(self) -> None:
        """Open the consumer and subscribe it."""

    @abstractmethod
    def _connected(self) -> Any:
        """The client's consumer."""

    @abstractmethod
    def _membership(self, consumer: Any) -> MembershipT:
        """As the client has it now."""

    @abstractmethod
    def _usable_membership(self, claim: GroupClaim[MembershipT]) -> tuple[MembershipT | None, str]:
        """The membership to commit the claimed epoch under, or None and why not."""

    @abstractmethod
    def _positions(self, consumer: Any) -> dict[Partition, int | None]:
        """Of every partition assigned, the next offset that the client will hand out, if it knows without asking."""

    @abstractmethod
    def _ask_ends(self, consumer: Any) -> Mapping[Partition, int]:
        """Of every partition assigned. Waits no longer than ENDS_TIMEOUT_S for the broker; raises DependencyError."""

    @abstractmethod
    def _group_answers(self, consumer: Any) -> bool:
        """Whether this is a member, and its coordinator answered lately."""

    @abstractmethod
    def _read_committed(self, partitions: Sequence[Partition]) -> dict[Partition, Committed | None] | None:
        """What the group has for these partitions; None if it cannot be had in time."""

    @abstractmethod
    def _living_members(self) -> frozenset[str]:
        """The ids of the group's members, as the broker has them now."""

    def start(self) -> None:
        missing = self._missing_topics(topics_of(self._settings))
        if missing:
            raise no_such_topics(self._settings, missing)
        self._publisher.start(timeout_s=self._settings.connect_timeout_ms / 1000)
        self._join()

    def standing(self) -> Standing:
        """Where this member stands. A lost broker shows when a heartbeat or a transaction fails."""
        self._mark_committed()
        consumer = self._connected()
        positions = self._positions(consumer)
        problem = None
        if not self._group_answers(consumer):
            problem = "not a member of the group, or its coordinator does not answer"
        elif not self._publisher.has_producer:
            problem = "there is no transactional producer at the moment"
        lag = self._marks.lag(positions, lambda: self._ask_ends(consumer))
        return Standing(problem, len(positions), lag)

    def announce(self, epoch: Epoch) -> Future[None]:
        claim = cast(GroupClaim[MembershipT], epoch.claim)
        member_id = claim.membership.member_id
        offsets, notes = self._deliveries.announcement(epoch, member_id, reach=self._reach)
        if not offsets:
            return nothing_to_do()
        self._last_announcement = self._commit(claim, (), offsets, notes)
        return self._last_announcement

    def publish(self, epoch: Epoch, records: Sequence[OutgoingRecord]) -> Future[None]:
        self._mark_committed()
        claim = cast(GroupClaim[MembershipT], epoch.claim)
        notes = self._deliveries.after(epoch.next_offsets, claim.membership.member_id, reach=self._reach)
        if not _ended_well(self._last_publication):
            self._last_publication = refused("an epoch ahead of it did not end well")
        else:
            self._last_offsets = epoch.next_offsets
            self._last_publication = self._commit(claim, records, epoch.next_offsets, notes)
            self._last_publication.add_done_callback(self._note_progress)
        return self._last_publication

    def farewell(self) -> Future[None]:
        offsets = self._deliveries.farewell()
        if not offsets or self._rewinding or not _ended_well(self._last_publication):
            return nothing_to_do()
        tenures = {partition: self._tenures.of(partition) for partition in offsets}
        claim = GroupClaim(self._reading, self._membership(self._connected()), tenures)
        return self._commit(claim, (), offsets, dict.fromkeys(offsets, NO_NOTE))

    def _commit(
        self,
        claim: GroupClaim[MembershipT],
        records: Sequence[OutgoingRecord],
        offsets: Mapping[Partition, int],
        notes: Mapping[Partition, str],
    ) -> Future[None]:
        membership, refusal = self._usable_membership(claim)
        if claim.reading != self._reading or _failed(self._last_publication) or _failed(self._last_announcement):
            membership, refusal = None, "it was read before a failure, or an epoch ahead of it did not end well"
        if membership is None:
            return refused(refusal)
        publication = Publication(records, offsets, membership, notes)
        self._publisher.publish(publication)
        return publication.done

    def rewind(self) -> None:
        """Takes effect in a later `poll`, once nothing is being published and the publisher is settled; until then
        `poll` returns None. Committed offsets read earlier could be those from before a commit whose answer was lost:
        its records would be done twice."""
        self._reading += 1
        self._rewinding = True
        self._backlog.clear()
        self._deliveries.forget()

    def exhausted(self) -> bool:
        return False

    def _note_progress(self, published: Future[None]) -> None:
        if published.exception() is None:
            self._topics.progress()

    def _fates_are_known(self) -> bool:
        return self._publisher.settled

    def _rewound(self) -> None:
        """The positions are the committed ones."""
        self._backlog.clear()
        self._marks.clear()
        self._last_publication = self._last_announcement = None
        self._last_offsets = {}
        self._rewinding = False

    def _restart_offset(self, partition: Partition, committed: int | None) -> int | None:
        """Where a rewind goes; None if nothing was committed nor read here. Where nobody committed yet, `latest` would
        now skip what was read and not published."""
        return committed if committed is not None else self._first_offsets.get(partition)

    def _hold(self, records: Sequence[IncomingRecord]) -> None:
        for record in records:
            self._first_offsets.setdefault(record.partition, record.offset)
        self._deliveries.see({record.partition for record in records})
        self._backlog.add(records)
        self._marks.read(records)

    def _mark_committed(self) -> None:
        if self._last_publication is not None and _ended_well(self._last_publication):
            self._marks.committed(self._last_offsets)
            self._last_offsets = {}

    def _still_the_same_member(self, membership: MembershipT) -> bool:
        """False, with everything held given up, if the membership was lost since it was looked at last."""
        if is_member(membership):
            if self._member_id in (None, membership.member_id):
                self._member_id = membership.member_id
                return True
        elif self._member_id is None:
            return False  # not joined yet
        self._member_id = membership.member_id if is_member(membership) else None
        self._membership_lost()
        return False

    def _membership_lost(self) -> None:
        self._tenures.end_all()
        self.rewind()

    def _cut_epoch(self, limits: EpochLimits, membership: MembershipT) -> Epoch | None:
        if not self._notes.are_read(membership.member_id):
            return None
        self._reach = limits.reach
        deliveries = self._deliveries
        lone = (lambda record: deliveries.suspect(record) is not None) if deliveries.suspicious else None
        if (share := self._backlog.take(limits, lone)) is None:
            return None
        claim = Claim(GroupClaim(self._reading, membership, share.tenures))
        self._epochs += 1
        suspect = deliveries.suspect(share.records[0]) if lone else None
        return Epoch(self._epochs - 1, share.records, share.next_offsets, claim, suspect)


def _ended_well(done: Future[None] | None) -> bool:
    return done is None or (done.done() and done.exception() is None)


def _failed(done: Future[None] | None) -> bool:
    return done is not None and done.done() and done.exception() is not None
