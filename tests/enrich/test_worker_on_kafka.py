"""The worker on a real broker, with the oracle in place of the model: topics in, topics out, exactly once."""

from __future__ import annotations

from collections import defaultdict
from threading import Thread

import orjson
import pytest

from tests.fakes.models import POISON
from tests.fakes.pipelines import oracle_worker, payload
from tests.transport.clients import CLIENTS
from workers.enrich.progress import Progress
from workers.enrich.worker import Worker
from workers.settings import EpochSettings, KafkaSettings, Settings
from workers.transport.base import IncomingRecord, OutgoingRecord
from workers.transport.clients import open_transport
from workers.transport.kafka_admin import produce, read_all

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("every_enricher")]

KEYS = 7
TRACE = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def document(topic: str, n: int) -> OutgoingRecord:
    """Every tenth does not parse, every eleventh breaks the model, every thirteenth is a tombstone."""
    value = payload(f"Text number {n}{f' is {POISON}' if n % 11 == 10 else ''}.", name=str(n))
    if n % 10 == 9:
        value = b'{"id": "%d", "text": 5}' % n
    return OutgoingRecord(topic, b"key-%d" % (n % KEYS), None if n % 13 == 12 else value, (TRACE,))


class Crew:
    """Workers on threads, one group, told to stop once together they have published `count` answers."""

    def __init__(self, kafka: KafkaSettings, *, workers: int, count: int) -> None:
        self.count = count
        self.published: dict[str, int] = defaultdict(int)
        self.workers: list[Worker] = []
        self.settings = Settings(kafka=kafka, epoch=EpochSettings(max_records=16, poll_ms=20))
        self.threads = [Thread(target=self.work, args=(f"w{number}",)) for number in range(workers)]

    def work(self, name: str) -> None:
        kafka = self.settings.kafka.model_copy(update={"group_instance_id": name})
        with oracle_worker(open_transport(kafka), settings=self.settings) as worker:
            self.workers.append(worker)
            worker.on_progress = lambda progress: self.count_up(name, progress)
            worker.run()

    def count_up(self, name: str, progress: Progress) -> None:
        self.published[name] = progress.documents
        if sum(self.published.values()) >= self.count:
            for worker in self.workers:
                worker.stop()

    def run(self) -> None:
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join(timeout=90)
            assert not thread.is_alive()


def number_of(record: IncomingRecord) -> int:
    """Of the input record that this answers."""
    return int(orjson.loads(record.value or b"")["id"])


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("client", CLIENTS)
def test_every_record_is_answered_once_and_in_order_of_its_key(
    kafka_settings: KafkaSettings, client: str, workers: int
) -> None:
    kafka, count = kafka_settings.model_copy(update={"client": client}), 260
    sent = [document(kafka.input_topic, n) for n in range(count)]
    produce(kafka, sent)
    Crew(kafka, workers=workers, count=count).run()

    enriched = read_all(kafka, [kafka.enriched_topic])
    dead = read_all(kafka, [kafka.dead_topic])
    assert len(enriched) + len(dead) == count
    refused = [number_of(record) for record in dead]
    answered = [number_of(record) for record in enriched if record.value is not None]
    with_value = {n for n, record in enumerate(sent) if record.value is not None}
    bad = {n for n in with_value if n % 10 == 9 or n % 11 == 10}
    assert sorted(refused) == sorted(bad)
    assert sorted(answered) == sorted(with_value - bad)
    assert sum(record.value is None for record in enriched) == sum(record.value is None for record in sent)
    by_key: dict[bytes | None, list[int]] = defaultdict(list)
    for record in enriched:
        if record.value is not None:
            by_key[record.key].append(number_of(record))
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert len(by_key) == KEYS
    assert all(TRACE in record.headers for record in enriched + dead)
