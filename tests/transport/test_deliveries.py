"""Notes beside committed offsets: what they say, and what the next owner makes of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.transport.base import Claim, Epoch, IncomingRecord, Partition, Suspect
from workers.transport.deliveries import Committed, Deliveries, Note
from workers.transport.membership import Tenures

HERE = Partition("documents", 0)
REACH = 24
notes = st.builds(Note, st.text(), st.integers(0, 2**62), st.integers(0, 9), st.integers(0, 9))


def record(offset: int) -> IncomingRecord:
    return IncomingRecord(HERE, offset, None, None, b"")


def epoch(first: int, last: int, suspect: Suspect | None = None) -> Epoch:
    records = tuple(record(offset) for offset in range(first, last + 1))
    return Epoch(0, records, {HERE: last + 1}, Claim(None), suspect)


def taken_over(committed: Committed | None, *, dead: bool = True) -> Deliveries:
    deliveries = Deliveries(Tenures())
    deliveries.see([HERE])
    assert deliveries.unread() == [HERE]
    deliveries.read({HERE: committed}, lambda member: dead)
    assert deliveries.unread() == []
    return deliveries


def left_by(note: Note, *, dead: bool = True) -> Deliveries:
    return taken_over(Committed(100, note.encode()), dead=dead)


@given(notes)
def test_a_note_reads_as_it_was_written(note: Note) -> None:
    text = note.encode()
    assert Note.decode(text) == note


@given(st.text() | st.sampled_from(["{}", "[]", "null", '{"enrich":1}', '{"enrich":2,"member":"","until":0}']))
def test_what_somebody_else_wrote_is_no_note(text: str) -> None:
    assert Note.decode(text) is None
    assert taken_over(Committed(0, text)).suspect(record(0)) is None


@given(st.integers(0, 5), st.booleans())
def test_only_members_that_went_away_count(deaths: int, dead: bool) -> None:
    found = left_by(Note("other", 124, deaths), dead=dead).suspect(record(100))
    total = deaths + dead
    assert found == (Suspect(total) if total >= 2 else None)


def test_a_try_alone_counts_for_its_record_and_for_no_other() -> None:
    deliveries = left_by(Note("other", 124, deaths=2, alone=1))
    assert deliveries.suspect(record(100)) == Suspect(3)
    assert deliveries.suspect(record(101)) == Suspect(2)
    assert deliveries.suspect(record(124)) is None


def test_a_try_that_moved_on_with_its_partition_says_nothing() -> None:
    deliveries = left_by(Note("other", 124, deaths=2, alone=1), dead=False)
    assert deliveries.suspect(record(100)) == Suspect(2)


def test_the_group_is_told_once_and_again_only_beyond_what_it_knows() -> None:
    deliveries = taken_over(None)
    assert deliveries.announcement(epoch(7, 14), "me", reach=REACH)[0] == {HERE: 7}
    assert deliveries.announcement(epoch(15, 22), "me", reach=REACH) == ({}, {})
    offsets, texts = deliveries.announcement(epoch(60, 80), "me", reach=REACH)  # the offsets between are gone
    assert offsets == {HERE: 7}, "what is under way must not be committed"
    assert (note := Note.decode(texts[HERE])) is not None
    assert note.until == 81


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 40)), min_size=1, max_size=20))
def test_whatever_is_under_way_is_covered_by_the_note(steps: list[tuple[int, int]]) -> None:
    """Epochs of some records with gaps between them; each is published before the one after the next is begun."""
    deliveries, offset, until = taken_over(None), 0, -1
    waiting: list[Epoch] = []
    for size, gap in steps:
        current = epoch(offset + gap, offset + gap + size - 1)
        offset = current.next_offsets[HERE]
        _, texts = deliveries.announcement(current, "me", reach=REACH)
        if HERE in texts and (note := Note.decode(texts[HERE])) is not None:
            until = note.until
        assert current.records[-1].offset < until
        waiting.append(current)
        if len(waiting) > 2:
            note = Note.decode(deliveries.after(waiting.pop(0).next_offsets, "me", reach=REACH)[HERE])
            assert note is not None
            assert note.until > waiting[-1].records[-1].offset
            until = note.until


def test_once_all_suspects_are_through_nothing_is_left_of_the_suspicion() -> None:
    deliveries = left_by(Note("other", 124, deaths=1))
    assert deliveries.suspicious
    between = Note.decode(deliveries.after({HERE: 110}, "me", reach=REACH)[HERE])
    assert between is not None
    assert between.deaths == 2
    through = Note.decode(deliveries.after({HERE: 124}, "me", reach=REACH)[HERE])
    assert through == Note("me", 124 + REACH)
    assert not deliveries.suspicious


def test_a_partition_that_came_back_is_read_anew() -> None:
    tenures = Tenures()
    deliveries = Deliveries(tenures)
    deliveries.see([HERE])
    deliveries.read({HERE: None}, lambda member: True)
    deliveries.after({HERE: 5}, "me", reach=REACH)
    assert deliveries.farewell() == {HERE: 5}
    tenures.count([HERE])
    assert deliveries.unread() == [HERE]
    assert deliveries.farewell() == {}
