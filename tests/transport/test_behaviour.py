"""What every transport with a log behind it does, asked of the one in memory and of Kafka through each client."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from tests.transport.harness import (
    LIMITS,
    Harness,
    KafkaHarness,
    MemoryHarness,
    next_epoch,
    pass_all_through,
    publish,
    wait_until,
)
from workers.errors import PublishFailed
from workers.settings import KafkaSettings
from workers.transport.base import EpochLimits, Headers, IncomingRecord, Observable, Standing, Transport


@pytest.fixture(
    params=[
        "memory",
        pytest.param("kafka-python", marks=pytest.mark.kafka),
        pytest.param("confluent", marks=[pytest.mark.kafka, pytest.mark.confluent]),
    ]
)
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    made: Harness
    if request.param == "memory":
        made = MemoryHarness()
    else:
        settings: KafkaSettings = request.getfixturevalue("kafka_settings")
        made = KafkaHarness(settings.model_copy(update={"client": request.param}))
    yield made
    made.close()


def numbered(count: int, *, keys: int = 5) -> list[tuple[bytes | None, bytes | None, Headers]]:
    return [(b"key-%d" % (number % keys), b"%d" % number, ()) for number in range(count)]


def values(harness: Harness) -> list[bytes | None]:
    return [record.value for record in harness.came_out()]


def test_every_record_comes_out_once_and_in_order_per_key(harness: Harness) -> None:
    harness.put(*numbered(100))
    pass_all_through(harness, [harness.member()], count=100)
    by_key: dict[bytes | None, list[int]] = defaultdict(list)
    for record in harness.came_out():
        by_key[record.key].append(int(record.value or b""))
    assert by_key == {b"key-%d" % key: list(range(key, 100, 5)) for key in range(5)}


def test_keys_headers_and_tombstones_arrive_as_they_were_sent(harness: Harness) -> None:
    headers = (("trace", b"\x00\xff"), ("trace", b"again"), ("empty", b""))
    harness.put((b"\xff\x00", b"value", headers), (b"key", None, ()), (None, b"no key", ()), (None, None, headers))
    transport = harness.member()
    read: list[IncomingRecord] = []
    while len(read) < 4:
        epoch = next_epoch(transport)
        read += epoch.records
        assert publish(harness, transport, epoch) is None
    expected = {
        (b"\xff\x00", b"value", headers),
        (b"key", None, ()),
        (None, b"no key", ()),
        (None, None, headers),
    }
    assert {(record.key, record.value, record.headers) for record in read} == expected
    assert {(record.key, record.value, record.headers) for record in harness.came_out()} == expected


def test_an_epoch_keeps_to_its_limits_and_a_lone_larger_record_still_comes(harness: Harness) -> None:
    harness.put(*[(b"key", b"x" * size, ()) for size in (10, 10, 500, 10, 10, 10, 10)])
    transport = harness.member()
    sizes: list[list[int]] = []
    while sum(map(len, sizes)) < 7:
        epoch = next_epoch(transport, EpochLimits(max_records=3, max_bytes=25))
        sizes.append([len(record.value or b"") for record in epoch.records])
        assert publish(harness, transport, epoch) is None
    assert [size for epoch in sizes for size in epoch] == [10, 10, 500, 10, 10, 10, 10]
    assert all(len(epoch) == 1 or sum(epoch) <= 25 for epoch in sizes)
    assert max(map(len, sizes)) == 2


def test_next_offsets_follow_the_last_record_of_each_partition(harness: Harness) -> None:
    harness.put(*numbered(10))
    epoch = next_epoch(harness.member())
    last = {record.partition: record.offset for record in epoch.records}
    assert epoch.next_offsets == {partition: offset + 1 for partition, offset in last.items()}


def test_a_failed_publish_shows_nothing_and_the_same_records_come_again(harness: Harness) -> None:
    harness.put(*numbered(8, keys=1))
    transport = harness.member()
    harness.fail_next_publish()
    first = next_epoch(transport)
    assert isinstance(publish(harness, transport, first), PublishFailed)
    transport.rewind()
    assert harness.came_out() == []
    assert next_epoch(transport).records[0] == first.records[0]


def test_after_a_lost_answer_nothing_is_done_twice(harness: Harness) -> None:
    harness.put(*numbered(8, keys=1))
    transport = harness.member()
    harness.lose_next_answer()
    first = next_epoch(transport, EpochLimits(4, 1_000))
    assert isinstance(publish(harness, transport, first), PublishFailed)
    transport.rewind()
    pass_all_through(harness, [transport], count=4)
    assert values(harness) == [b"%d" % number for number in range(8)]


def test_an_epoch_read_before_a_failure_is_never_published_after_it(harness: Harness) -> None:
    harness.put(*numbered(8, keys=1))
    transport = harness.member()
    harness.fail_next_publish()
    first = next_epoch(transport, EpochLimits(4, 1_000))
    second = next_epoch(transport, EpochLimits(4, 1_000))
    assert isinstance(publish(harness, transport, first), PublishFailed)
    assert isinstance(publish(harness, transport, second), PublishFailed)  # its offsets would skip the first
    transport.rewind()
    assert isinstance(publish(harness, transport, second), PublishFailed)
    transport.rewind()
    pass_all_through(harness, [transport], count=8)
    assert values(harness) == [b"%d" % number for number in range(8)]


def test_polling_without_room_returns_nothing_and_loses_nothing(harness: Harness) -> None:
    harness.put(*numbered(30))
    transport = harness.member()
    first = next_epoch(transport)
    assert [transport.poll(LIMITS, timeout_s=0.02, accept=False) for _ in range(20)] == [None] * 20
    assert publish(harness, transport, first) is None  # the membership was kept
    pass_all_through(harness, [transport], count=30 - len(first.records))
    assert Counter(values(harness)) == Counter(b"%d" % number for number in range(30))


def test_a_second_member_shares_the_work_and_nothing_is_lost_or_doubled(harness: Harness) -> None:
    harness.put(*numbered(60, keys=30))
    first = harness.member()
    pass_all_through(harness, [first], count=20)
    both = [first, harness.member()]
    pass_all_through(harness, both, count=40)
    harness.put(*numbered(60, keys=30))
    pass_all_through(harness, both, count=60)
    assert Counter(values(harness)) == Counter([b"%d" % number for number in range(60)] * 2)


def test_what_a_member_read_and_did_not_publish_is_read_by_the_next(harness: Harness) -> None:
    harness.put(*numbered(20, keys=1))
    leaving = harness.member()
    assert publish(harness, leaving, next_epoch(leaving)) is None
    unpublished = next_epoch(leaving)
    leaving.close(timeout_s=5.0)
    epoch = next_epoch(harness.member())
    assert epoch.records[0] == unpublished.records[0]


def test_a_broker_s_topic_never_ends_and_one_in_memory_ends_for_now(harness: Harness) -> None:
    transport = harness.member()
    assert transport.exhausted() is isinstance(harness, MemoryHarness)


def standing_of(transport: Transport) -> Standing:
    assert isinstance(transport, Observable)
    return transport.standing()


def stands_at(transport: Transport, lag: int) -> Standing | None:
    transport.poll(LIMITS, timeout_s=0.05, accept=False)
    standing = standing_of(transport)
    return standing if sum(standing.lag.values()) == lag and standing.problem is None else None


def test_the_lag_is_what_was_not_committed_also_after_a_failure(harness: Harness) -> None:
    harness.put(*numbered(60))
    member = harness.member()
    first = next_epoch(member)
    wait_until(lambda: stands_at(member, 60), "the whole lag")
    assert publish(harness, member, first) is None
    left = 60 - len(first.records)
    wait_until(lambda: stands_at(member, left), "what is left")
    second = next_epoch(member)
    harness.fail_next_publish()
    assert isinstance(publish(harness, member, second), PublishFailed)
    member.rewind()
    again = next_epoch(member)
    wait_until(lambda: stands_at(member, left), "what is left, again")
    assert publish(harness, member, again) is None
    standing = wait_until(lambda: stands_at(member, left - len(again.records)), "what is left after that")
    assert standing.partitions == 3


def test_two_members_stand_at_parts_of_the_lag(harness: Harness) -> None:
    harness.put(*numbered(60))
    members = [harness.member(), harness.member()]

    def shared() -> bool | None:
        for member in members:
            if (epoch := member.poll(LIMITS, timeout_s=0.05, accept=True)) is not None:
                del epoch  # read and not published: it stays in the lag
        standings = [standing_of(member) for member in members]
        partitions = [standing.partitions for standing in standings]
        lag = sum(count for standing in standings for count in standing.lag.values())
        return True if min(partitions) > 0 and sum(partitions) == 3 and lag == 60 else None

    wait_until(shared, "both to have partitions, and the whole lag between them")


def test_a_member_that_has_not_joined_says_so(harness: Harness) -> None:
    member = harness.member()
    before = standing_of(member)
    wait_until(lambda: stands_at(member, 0), "a membership")
    if isinstance(harness, KafkaHarness):
        assert before.problem is not None
        assert before.lag == {}
