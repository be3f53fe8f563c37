"""What an exact reader found in the output, against what is in the input: lost, doubled, out of order, changed."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workers.transport.base import IncomingRecord, OutgoingRecord

KEYS = 200
NUMBER = "chaos-number"  # header with the document's number; workers pass headers on
Said = tuple[str, str] | None
TEXT = "Ada Lovelace met Charles Babbage in London. This is note {number}."


@dataclass(frozen=True, slots=True)
class Verdict:
    sent: int  # records in the input
    lost: int
    duplicated: int
    out_of_order: int  # records behind one of the same key that stands after them in the input
    changed: int  # neither the document nor its enrichment
    dead: int  # dead letters; every document is a good one

    @property
    def exact(self) -> bool:
        return self.sent > 0 and self.lost == self.duplicated == self.out_of_order == self.changed == self.dead == 0


def document(topic: str, number: int) -> OutgoingRecord:
    value = json.dumps({"id": str(number), "text": TEXT.format(number=number)}).encode()
    headers = ((NUMBER, b"%d" % number), ("content-type", b"application/json"))
    return OutgoingRecord(topic, b"key-%d" % (number % KEYS), value, headers)


def number_of(record: IncomingRecord) -> int:
    return int(dict(record.headers)[NUMBER] or b"-1")


def judge(put_in: Iterable[IncomingRecord], came_out: Iterable[IncomingRecord], *, dead_topic: str) -> Verdict:
    """Both in the order of their offsets within each partition. An input offset is known by its document's number: if
    the sender doubled one, it must come out twice."""
    sent = Counter[int]()
    said: dict[int, Said] = {}
    places: dict[bytes | None, dict[int, int]] = defaultdict(dict)  # key -> number -> its place among the key's
    for record in put_in:
        number = number_of(record)
        sent[number] += 1
        said[number] = said_by(record.value)
        places[record.key].setdefault(number, len(places[record.key]))
    found = Counter[int]()
    order: dict[tuple[str, bytes | None], list[int]] = defaultdict(list)  # topics have no common order
    changed = dead = 0
    for record in came_out:
        number = number_of(record)
        found[number] += 1
        is_dead = record.partition.topic == dead_topic
        dead += is_dead
        if number in places[record.key]:
            order[record.partition.topic, record.key].append(places[record.key][number])
        changed += not (is_dead or (number in places[record.key] and said_by(record.value) == said[number]))
    return Verdict(
        sent=sent.total(),
        lost=(sent - found).total(),
        duplicated=(found - sent).total(),
        out_of_order=sum(sum(backward_steps(key_order)) for key_order in order.values()),
        changed=changed,
        dead=dead,
    )


def said_by(value: bytes | None) -> Said:
    """Id and text of a document or of its enrichment; None if it is neither."""
    try:
        content = json.loads(value or b"")
    except ValueError:
        return None
    return (str(content.get("id")), str(content.get("text"))) if isinstance(content, dict) else None


def backward_steps(places: list[int]) -> Iterator[bool]:
    largest = -1
    for place in places:
        yield place < largest
        largest = max(largest, place)
