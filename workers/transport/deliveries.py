"""Which records may have taken a process down: a note beside each committed offset, and what this member makes of it.

Kafka keeps a short text with every committed offset. A worker writes into it that it has records under way from there
on, in the transaction that commits the offset anyway, and empties it when it leaves with nothing under way. Whoever
reads next and finds a note of a member that is no longer in the group knows that a process went away with these
records. Why here and nowhere else: docs/decisions/0010-killer-documents.md. Knows no client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import orjson

from workers.transport.base import Epoch, IncomingRecord, Partition, Suspect
from workers.transport.membership import Tenures

NOTE_VERSION = 1
NO_NOTE = ""
DEATHS_BEFORE_ALONE = 2  # one may be anybody's fault; twice the same records were there


@dataclass(frozen=True, slots=True)
class Note:
    """Of one partition, beside its committed offset. 150 bytes; brokers allow 4,096."""

    member: str  # has records under way from the committed offset on, or went away with them
    until: int  # offset; only those below it may be under way
    deaths: int = 0  # how many members before this one went away with them
    alone: int = 0  # which try, with nothing beside it, of the record at the committed offset this is; 0: not alone

    def encode(self) -> str:
        told = {"enrich": NOTE_VERSION, "member": self.member, "until": self.until}
        return orjson.dumps(told | {"deaths": self.deaths, "alone": self.alone}).decode()

    @classmethod
    def decode(cls, text: str) -> Note | None:
        """None for an empty text, and for one that somebody else wrote."""
        try:
            told = orjson.loads(text)
            if told["enrich"] != NOTE_VERSION:
                return None
            return cls(str(told["member"]), int(told["until"]), int(told["deaths"]), int(told["alone"]))
        except (ValueError, TypeError, KeyError):
            return None


@dataclass(frozen=True, slots=True)
class Committed:
    """What the group has for a partition."""

    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class _History:
    """What is known of a partition in this tenure."""

    tenure: int
    deaths: int = 0
    until: int = 0  # the deaths were with records below it
    tried_at: int = -1  # offset of the record that was tried alone
    tried: int = 0  # so many members went away with it alone
    offset: int | None = None  # what this member committed last
    written_until: int | None = None  # as this member wrote it; None: not yet


class Deliveries:
    """The notes of one member's partitions. What it believes to be written is: after a failure it must `forget`."""

    def __init__(self, tenures: Tenures) -> None:
        self._tenures = tenures
        self._histories: dict[Partition, _History] = {}
        self._seen: set[Partition] = set()
        self._suspicious = False

    def forget(self) -> None:
        """Nobody knows what is committed: the notes are to be read again."""
        self._histories.clear()
        self._seen.clear()
        self._suspicious = False

    def see(self, partitions: Iterable[Partition]) -> None:
        """Records of these came."""
        self._seen.update(partitions)

    def unread(self) -> list[Partition]:
        """Whose notes must be read before their records may be given out."""
        return [partition for partition in self._seen if self._known(partition) is None]

    def read(self, found: Mapping[Partition, Committed | None], went_away: Callable[[str], bool]) -> None:
        """Take in what is committed for these partitions. `went_away` is asked about members that wrote the notes."""
        for partition, committed in found.items():
            note = Note.decode(committed.text) if committed is not None else None
            history = _History(self._tenures.of(partition))
            if committed is not None and note is not None:
                dead = went_away(note.member)
                # A try that a living member did not end, because the partition moved on, says nothing.
                tried = max(0, note.alone if dead else note.alone - 1)
                deaths = note.deaths + (1 if dead and not note.alone else 0)
                history = replace(
                    history, deaths=deaths, until=note.until, tried_at=committed.offset if tried else -1, tried=tried
                )
            self._histories[partition] = history
        self._look_for_suspects()

    @property
    def suspicious(self) -> bool:
        """Whether any record may be a suspect."""
        return self._suspicious

    def suspect(self, record: IncomingRecord) -> Suspect | None:
        history = self._known(record.partition)
        if history is None or history.deaths < DEATHS_BEFORE_ALONE or record.offset >= history.until:
            return None
        return Suspect(history.deaths + (history.tried if record.offset == history.tried_at else 0))

    def announcement(
        self, epoch: Epoch, member: str, *, reach: int
    ) -> tuple[dict[Partition, int], dict[Partition, str]]:
        """Offsets and texts to write before work on this epoch begins; mostly none. `reach`: so many records at most
        are under way in one process."""
        offsets: dict[Partition, int] = {}
        texts: dict[Partition, str] = {}
        first: dict[Partition, int] = {}
        for record in epoch.records:
            first.setdefault(record.partition, record.offset)
        for partition, next_offset in epoch.next_offsets.items():
            history = self._known(partition) or _History(self._tenures.of(partition))
            covered = history.written_until is not None and next_offset <= history.written_until
            if covered and epoch.suspect is None:
                continue
            alone, offset = 0, history.offset
            if epoch.suspect is not None:
                alone = 1 + (history.tried if first[partition] == history.tried_at else 0)
            if alone or offset is None:  # else never past what is committed: records ahead of this epoch are under way
                offset = first[partition]
            note = self._note(history, member, max(offset + reach, next_offset), alone=alone, at=offset)
            offsets[partition], texts[partition] = offset, note.encode()
            self._histories[partition] = replace(history, offset=offset, written_until=note.until)
        return offsets, texts

    def after(self, next_offsets: Mapping[Partition, int], member: str, *, reach: int) -> dict[Partition, str]:
        """Texts to be committed with these offsets."""
        texts = {}
        for partition, offset in next_offsets.items():
            history = self._known(partition) or _History(self._tenures.of(partition))
            until = max(offset + reach, history.written_until or 0)  # never less than what is under way
            note = self._note(history, member, until, alone=0, at=offset)
            texts[partition] = note.encode()
            if offset >= history.until:
                history = replace(history, deaths=0, until=0)  # all suspects are through
            self._histories[partition] = replace(history, offset=offset, written_until=note.until)
        self._look_for_suspects()
        return texts

    def farewell(self) -> dict[Partition, int]:
        """Offsets that this member left a note with, and that are still its own: nothing is under way any more."""
        return {
            partition: history.offset
            for partition in self._histories
            if (history := self._known(partition)) is not None and history.offset is not None
        }

    def _look_for_suspects(self) -> None:
        self._suspicious = any(history.deaths >= DEATHS_BEFORE_ALONE for history in self._histories.values())

    @staticmethod
    def _note(history: _History, member: str, until: int, *, alone: int, at: int) -> Note:
        if history.deaths and at < history.until:
            return Note(member, max(history.until, until if not alone else 0), history.deaths, alone)
        return Note(member, until)

    def _known(self, partition: Partition) -> _History | None:
        history = self._histories.get(partition)
        return history if history is not None and history.tenure == self._tenures.of(partition) else None
