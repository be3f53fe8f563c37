"""Windows are exact, whatever comes twice and whatever a crash left unwritten; old panes go, sums stay."""

from __future__ import annotations

import json
from bisect import bisect
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.insights.ledger import HOUR, MINUTE, PANE, Key, Ledger
from workers.insights.tally import MAX_BUCKETS, OTHER, Fact, Tally

NOW_S = 1_800_000_000.0


def fact(label: str = "a", seconds: float = 1.0) -> Fact:
    return Fact({"records": 1}, {"labels": {label: 1}}, {"latency": seconds}, (f"PER\x1f{label}",))


# A record is its partition, label and age; offsets follow from the order.
RECORDS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc"), st.integers(0, 5_000)), max_size=40)


def wire(value: object) -> dict[str, object]:
    """As it comes back from the changelog."""
    read = json.loads(json.dumps(value))
    assert isinstance(read, dict)
    return read


@given(records=RECORDS, crash_at=st.integers(0, 40), committed=st.integers(0, 40), written=st.sets(st.integers(0, 200)))
def test_nothing_is_lost_or_counted_twice_through_a_crash(
    records: list[tuple[int, str, int]], crash_at: int, committed: int, written: set[int]
) -> None:
    """Everything that was acknowledged was written; of what was not, any part of the entries may have been written."""
    crash_at = min(crash_at, len(records))
    committed = min(committed, crash_at)
    offsets: Counter[int] = Counter()
    log = []
    for partition, label, age_s in records:
        log.append((f"t/{partition}", offsets[partition], NOW_S - age_s, fact(label)))
        offsets[partition] += 1

    def feed(ledger: Ledger, first: int, last: int) -> None:
        for scope, offset, time_s, counted in log[first:last]:
            ledger.fold(scope, offset, time_s, counted, now_s=NOW_S)

    before = Ledger()
    table: dict[str, dict[str, object]] = {}
    feed(before, 0, committed)
    table |= {key: wire(value) for key, value in before.changes()}
    feed(before, committed, crash_at)
    late = [(key, wire(value)) for key, value in before.changes()]
    table |= {key: value for number, (key, value) in enumerate(late) if number in written}

    after, plain = Ledger(), Ledger()
    after.load(table)
    feed(after, committed, len(log))
    feed(plain, 0, len(log))
    assert after.total().mixes == plain.total().mixes
    for window in ("minute", "hour", "day"):
        assert after.window(window, NOW_S).counts == plain.window(window, NOW_S).counts
        assert after.window(window, NOW_S).mixes == plain.window(window, NOW_S).mixes
    assert after.total().counts.get("records", 0) == len(records)


@given(records=RECORDS)
def test_a_window_counts_what_fell_into_its_panes(records: list[tuple[int, str, int]]) -> None:
    ledger = Ledger()
    for offset, (_, label, age_s) in enumerate(records):
        ledger.fold("t/0", offset, NOW_S - age_s, fact(label), now_s=NOW_S)
    for window, level, panes in (("minute", PANE, 6), ("hour", MINUTE, 60), ("day", HOUR, 24)):
        first_s = NOW_S // level.size_s * level.size_s - (panes - 1) * level.size_s
        inside = [label for _, label, age_s in records if NOW_S - age_s >= first_s]
        tally = ledger.window(window, NOW_S)
        assert tally.counts.get("records", 0) == len(inside)
        assert tally.mixes.get("labels", {}) == Counter(inside)
        points = ledger.series(window, NOW_S)
        assert len(points) == panes
        assert sum(point.counts.get("records", 0) for _, point in points) == len(inside)


def test_old_panes_go_and_the_total_stays() -> None:
    ledger = Ledger()
    ledger.fold("t/0", 0, NOW_S, fact(), now_s=NOW_S)
    names = {str(Key("t/0", level.name, int(NOW_S // level.size_s) * level.size_s)) for level in (PANE, MINUTE, HOUR)}
    assert set(ledger.expire(NOW_S + 7 * 86_400)) == names
    assert len(ledger) == 1
    assert ledger.total().counts == {"records": 1}
    # It comes again after its panes are gone: they do not come back.
    assert not ledger.fold("t/0", 0, NOW_S, fact(), now_s=NOW_S + 7 * 86_400)
    assert len(ledger) == 1


def test_a_record_from_the_future_is_in_the_total_only() -> None:
    ledger = Ledger()
    ledger.fold("t/0", 0, NOW_S + 86_400 * 365, fact(), now_s=NOW_S)
    assert (len(ledger), ledger.total().counts) == (1, {"records": 1})


@pytest.mark.parametrize("key", [Key("a.topic/3", "hour", 7_200), Key("x|y/0", "total", 0)])
def test_keys_are_read_back(key: Key) -> None:
    assert Key.parse(str(key)) == key
    assert Key.parse("drift") is None


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 1e4)), max_size=60), st.integers(0, 60))
def test_tallies_of_parts_merge_into_that_of_the_whole(parts: list[tuple[str, float]], cut: int) -> None:
    one, other, whole = Tally(), Tally(), Tally()
    for number, (label, seconds) in enumerate(parts):
        (one if number < cut else other).add(fact(label, seconds))
        whole.add(fact(label, seconds))
    merged = Tally.load(wire(one.dump()))
    merged.merge(Tally.load(wire(other.dump())))
    assert (merged.counts, merged.mixes) == (whole.counts, whole.mixes)
    assert merged.names.most(9) == whole.names.most(9)
    if parts:
        assert merged.quantiles["latency"].count == len(parts)
        least, most = merged.quantiles["latency"].at(0, 1) or (0, 0)
        assert (least, most) == (min(s for _, s in parts), max(s for _, s in parts))


def test_quantiles_of_many_merged_panes_are_near_the_true_ones() -> None:
    merged, values = Tally(), []
    for pane in range(60):
        tally = Tally()
        for number in range(100):
            values.append((pane * 37 + number * 61) % 6_000 / 100)
            tally.add(fact(seconds=values[-1]))
        merged.merge(tally)
    values.sort()
    found = merged.quantiles["latency"].at(0.5, 0.95, 0.99) or ()
    for rank, value, error in zip((0.5, 0.95, 0.99), found, (0.03, 0.01, 0.005), strict=True):
        assert abs(bisect(values, value) / len(values) - rank) < error


def test_a_producer_cannot_fill_the_memory_with_buckets() -> None:
    tally = Tally()
    for number in range(10 * MAX_BUCKETS):
        tally.add(fact(f"label {number}"))
    assert len(tally.mixes["labels"]) == MAX_BUCKETS + 1
    assert sum(tally.mixes["labels"].values()) == 10 * MAX_BUCKETS
    assert tally.mixes["labels"][OTHER] == 9 * MAX_BUCKETS
