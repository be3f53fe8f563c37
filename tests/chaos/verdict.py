"""What an exact reader found, against what was sent: lost, doubled, out of order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from workers.transport.base import IncomingRecord, OutgoingRecord

NUMBER = "chaos-number"  # header with the document's number; workers pass headers on


@dataclass(frozen=True, slots=True)
class Verdict:
    sent: int
    lost: int
    duplicated: int
    out_of_order: int  # records with a smaller number than one before them of the same key
    unknown: int  # records that were never sent
    dead: int  # dead letters; every document is a good one

    @property
    def exact(self) -> bool:
        return self.lost == self.duplicated == self.out_of_order == self.unknown == self.dead == 0


def document(topic: str, number: int, *, keys: int) -> OutgoingRecord:
    text = f'{{"id": "{number}", "text": "Ada Lovelace met Charles Babbage in London. This is note {number}."}}'
    headers = ((NUMBER, b"%d" % number), ("content-type", b"application/json"))
    return OutgoingRecord(topic, b"key-%d" % (number % keys), text.encode(), headers)


def number_of(record: IncomingRecord) -> int:
    return int(dict(record.headers)[NUMBER] or b"-1")


def judge(records: Iterable[IncomingRecord], *, sent: int, dead_topic: str) -> Verdict:
    """`records` in the order of their offsets within each partition."""
    times: Counter[int] = Counter()
    dead = 0
    by_key: dict[bytes | None, list[int]] = defaultdict(list)
    for record in records:
        number = number_of(record)
        times[number] += 1
        dead += record.partition.topic == dead_topic
        by_key[record.key].append(number)
    return Verdict(
        sent=sent,
        lost=sum(times[number] == 0 for number in range(sent)),
        duplicated=sum(count - 1 for count in times.values()),
        out_of_order=sum(backward_steps(numbers) for numbers in by_key.values()),
        unknown=sum(count for number, count in times.items() if not 0 <= number < sent),
        dead=dead,
    )


def backward_steps(numbers: list[int]) -> int:
    steps, largest = 0, -1
    for number in numbers:
        steps += number < largest
        largest = max(largest, number)
    return steps
