"""The benchmarks that need a broker, with few documents and a model of no weight: that they run and count right."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.arrivals import percentile, poisson_times
from benchmarks.bare_client import run_bare
from benchmarks.broker import Broker, again_in_a_new_group, kind_of, send_all
from benchmarks.clock import ClockModel
from benchmarks.documents import Sample
from benchmarks.exactly_once import KINDS, price, rate_of
from benchmarks.feed import Feed
from benchmarks.latency import latencies_at
from benchmarks.memory import Reading, growth_of, read_along
from benchmarks.overhead import CLIENT, TOKENIZER, WORKER, answers_in, cost_of_tokenizer, cost_of_worker, rows_of
from benchmarks.processes import Processes
from benchmarks.scale import rate_of_workers
from tests.services import Source
from workers.compose import open_worker
from workers.settings import DEFAULT_MODEL, EpochSettings, Settings
from workers.transport.kafka import KafkaTransport
from workers.transport.kafka_admin import admin_client, read_all
from workers.transport.kafka_reader import committed_reader

SETTINGS = Settings(epoch=EpochSettings(max_records=8, poll_ms=20))
SAMPLES = [Sample(f"d{n}", f"Ada Lovelace met Charles Babbage in London. This is note {n}.", "en") for n in range(20)]
MODELS = {DEFAULT_MODEL: ClockModel()}


@pytest.fixture
def broker(bootstrap_servers: str) -> Broker:
    return Broker("found", bootstrap_servers)


@pytest.fixture
def feed(broker: Broker) -> Iterator[Feed]:
    """With a worker on a thread at the other end."""
    kafka = broker.topics()
    own = SETTINGS.model_copy(update={"kafka": kafka})
    with (
        open_worker(own, MODELS, KafkaTransport(kafka)) as worker,
        committed_reader(kafka, (kafka.enriched_topic, kafka.dead_topic)) as poll,
    ):
        thread = threading.Thread(target=worker.run)
        thread.start()
        yield Feed(kafka, poll, Processes((), ()))
        worker.stop()
        thread.join(30.0)


def test_arrivals_are_the_same_every_time_and_as_many_as_asked_for() -> None:
    times = poisson_times(100.0, 2_000, seed=1)
    assert times == sorted(poisson_times(100.0, 2_000, seed=1))
    assert times[-1] == pytest.approx(20.0, rel=0.1)
    assert [percentile(list(range(1, 101)), share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7.0], 0.99) == 7.0


def test_growth_counts_from_where_it_is_warm() -> None:
    readings = [Reading(500, 100.0), Reading(2_000, 200.0), Reading(2_500, 210.0), Reading(3_000, 205.0)]
    assert growth_of(readings) == pytest.approx(0.05)


def test_a_broker_is_told_by_kind_and_not_by_address() -> None:
    named = Source("KAFKA_BOOTSTRAP_SERVERS=host:1", lambda stack, folder: "host:1")
    local = Source("Apache Kafka at /somewhere", lambda stack, folder: "host:1")
    assert not any(word in kind_of(source) for source in (named, local) for word in ("host", "somewhere"))


@pytest.mark.kafka
def test_every_arrival_has_a_latency(feed: Feed) -> None:
    assert feed.answer_all(SAMPLES) > 0
    latencies, late_s = latencies_at(feed, SAMPLES, 200.0, seed=1)
    assert len(latencies) == len(SAMPLES)
    assert min(latencies) > 0
    assert late_s >= 0
    readings = read_along(feed, SAMPLES, step=8, memory=lambda: 1.0, say=lambda line: None)
    assert [reading.documents for reading in readings] == [8, 16, 20]


@pytest.mark.kafka
@pytest.mark.parametrize("kind", KINDS)
def test_both_kinds_of_publishing_answer_once_and_commit(broker: Broker, kind: str) -> None:
    topics = broker.topics()
    send_all(topics, SAMPLES)
    own = again_in_a_new_group(topics)
    assert rate_of(SETTINGS, MODELS, lambda kafka: KINDS[kind](own), topics, len(SAMPLES)) > 0
    assert len(read_all(topics, [topics.enriched_topic])) == len(SAMPLES)
    with admin_client(topics) as client:
        found = client.list_group_offsets([own.group_id])[own.group_id]
    assert sum(committed.offset for committed in found.values()) == len(SAMPLES)


def test_the_price_is_the_share_that_is_lost() -> None:
    assert price([90.0, 80.0], [100.0, 100.0]).high == pytest.approx(20.0)


@pytest.mark.kafka
def test_the_bare_client_answers_with_the_same_bytes(broker: Broker) -> None:
    topics = broker.topics()
    send_all(topics, SAMPLES)
    worker = cost_of_worker(SETTINGS, ClockModel(), topics, len(SAMPLES))
    answers = answers_in(topics)
    bare = run_bare(again_in_a_new_group(topics), answers, documents=len(SAMPLES), max_records=8)
    after = read_all(topics, [topics.enriched_topic])
    assert len(after) == 2 * len(SAMPLES)
    assert sorted(r.value or b"" for r in after)[::2] == sorted(answer.value or b"" for answer in answers)
    tokenizer = cost_of_tokenizer(ClockModel(), SAMPLES, size=8)
    rows = rows_of({WORKER: [worker], CLIENT: [bare], TOKENIZER: [tokenizer]})
    assert [row[0] for row in rows[:3]] == [WORKER, CLIENT, TOKENIZER]
    assert len(rows) == 5


@pytest.mark.kafka
def test_worker_processes_are_counted_when_they_serve(broker: Broker, tmp_path: Path) -> None:
    rate = rate_of_workers(SETTINGS, broker, SAMPLES[:4], workers=1, clock=(1e6, 1.0), folder=tmp_path)
    assert rate > 0
