"""What happens to brokers, one thing at a time, under a worker with each client: every document comes out once."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread

import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.driver import Watch
from tests.chaos.settings import Client, chaos_settings
from tests.chaos.verdict import document, judge
from tests.fakes.pipelines import oracle, oracle_worker
from tests.services import kafka_home
from tests.transport.clients import CLIENTS
from workers.enrich.worker import Worker
from workers.settings import EpochSettings, KafkaSettings, Settings
from workers.transport.clients import open_transport
from workers.transport.kafka_admin import create_topics, produce, read_all
from workers.transport.kafka_reader import committed_reader

pytestmark = [pytest.mark.kafka, pytest.mark.apache, pytest.mark.chaos, pytest.mark.timeout(600)]

INTERNAL = ("__consumer_offsets", "__transaction_state")  # whose leaders are the coordinators
DOCUMENTS = 400
EPOCH_S = 0.02  # so that epochs are under way when it happens
AWAY_S = 3.0  # a minute in `make chaos`, fault `outage`
PATIENCE_S = 240.0
ALL = "TEST_ALL_FAULTS" in os.environ  # as `make faults` has it
Happening = Callable[[Cluster, KafkaSettings], None]


def topics_of(settings: KafkaSettings) -> tuple[str, ...]:
    return settings.input_topic, settings.enriched_topic, settings.dead_topic


def leaders_move(cluster: Cluster, settings: KafkaSettings) -> None:
    cluster.move_leaders(settings, topics_of(settings))


def coordinators_move(cluster: Cluster, settings: KafkaSettings) -> None:
    cluster.move_leaders(settings, INTERNAL)


def each_broker_restarts(cluster: Cluster, settings: KafkaSettings) -> None:
    for broker in range(1, cluster.brokers + 1):
        cluster.stop(broker)
        time.sleep(1.0)
        cluster.restart(broker)
        wait_for(lambda: cluster.in_sync(settings, (*topics_of(settings), *INTERNAL)), "the replicas")


def all_brokers_are_away(cluster: Cluster, settings: KafkaSettings) -> None:
    cluster.kill_all()
    time.sleep(AWAY_S)
    cluster.restart_all()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {PATIENCE_S:g} s for {what}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if (home := kafka_home()) is None:
        pytest.skip("needs three brokers of Apache Kafka of its own: set KAFKA_HOME")
    with ExitStack() as stack:
        yield Cluster.start(stack, tmp_path_factory.mktemp("kafka"), home, brokers=3)


@contextmanager
def working(settings: KafkaSettings) -> Iterator[Worker]:
    """A worker on a thread of its own. Whatever stopped it before its time is raised at the end."""
    model = oracle()
    model.before_forward = lambda: time.sleep(EPOCH_S)
    raised: list[BaseException] = []

    def run(worker: Worker) -> None:
        try:
            worker.run()
        except BaseException as error:  # noqa: BLE001  boundary of the thread
            raised.append(error)

    whole = Settings(kafka=settings, epoch=EpochSettings(max_records=8, poll_ms=20))
    with oracle_worker(open_transport(settings), model, whole) as worker:
        thread = Thread(target=run, args=(worker,))
        thread.start()
        try:
            yield worker
        finally:
            worker.stop()
            thread.join(60.0)
    assert not thread.is_alive()
    assert raised == []


@pytest.mark.parametrize("happens", [leaders_move, coordinators_move, each_broker_restarts, all_brokers_are_away])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_worker_goes_on_by_itself_and_every_document_comes_out_once(
    cluster: Cluster, client: Client, happens: Happening
) -> None:
    if not ALL and happens in (coordinators_move, each_broker_restarts):
        pytest.skip("takes minutes: in `make faults`")
    settings = chaos_settings(cluster.bootstrap_servers, uuid.uuid4().hex[:8], client=client)
    create_topics(settings, topics_of(settings), partitions=3)
    documents = [document(settings.input_topic, number) for number in range(DOCUMENTS)]
    produce(settings, documents[: DOCUMENTS // 2])
    outputs = (settings.enriched_topic, settings.dead_topic)
    with working(settings) as worker, committed_reader(settings, outputs) as poll:
        wait_for(lambda: worker.progress.documents >= DOCUMENTS // 10, "the first documents")
        happens(cluster, settings)
        produce(settings, documents[DOCUMENTS // 2 :])
        watch = Watch(poll)  # a worker does not count what was committed and not answered

        def all_came_out() -> bool:
            watch.look()
            return len(watch.numbers) >= DOCUMENTS

        wait_for(all_came_out, "all documents")
    came_out = read_all(settings, outputs)
    assert judge(read_all(settings, [settings.input_topic]), came_out, dead_topic=settings.dead_topic).exact
