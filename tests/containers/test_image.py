"""The image as it is shipped: documents in, records out, SIGTERM drains; and it holds no more than it must."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.request import urlopen

import docker
import pytest

from tests.cli.test_commands import named_in_environment
from tests.containers.image import USER, build, logs, running, stop, wait_until_ready
from tests.services import engine_answers, start_kafka_container, start_redis_container
from tests.transport.topics import kafka_settings_for
from workers.settings import KafkaSettings
from workers.transport.base import OutgoingRecord
from workers.transport.kafka_admin import admin_client, produce, read_all
from workers.transport.kafka_reader import committed_reader
from workers.transport.local import free_port

pytestmark = [
    pytest.mark.containers,
    pytest.mark.timeout(900),  # the build, where nothing is there yet
    pytest.mark.skipif(not engine_answers(), reason="no Docker engine answers"),
]
BUILD_S = 360.0  # of a slow machine, with the tests
TEXT = "Ada Lovelace met Charles Babbage in London."


@pytest.fixture(scope="module")
def image() -> str:
    """Not begun where it would outlast the time that TESTS_END_S, seconds since 1970, leaves."""
    if float(os.environ.get("TESTS_END_S", "inf")) - time.time() < BUILD_S:
        pytest.skip("no time is left to build the image: see TESTS_END_S")
    return build()


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("services")
        yield start_kafka_container(stack, folder), start_redis_container(stack, folder)


def environment_of(kafka: KafkaSettings, redis_url: str, port: int) -> dict[str, str]:
    return named_in_environment(kafka) | {
        "ENRICH_KAFKA__GROUP_INSTANCE_ID": "pod-0",
        "ENRICH_EPOCH__MAX_RECORDS": "8",
        "ENRICH_CACHE__KIND": "redis",
        "ENRICH_CACHE__REDIS_URL": redis_url,
        "ENRICH_TELEMETRY__PORT": str(port),
        "ENRICH_BATCH__CALIBRATE": "false",
    }


def document(number: int) -> bytes:
    return json.dumps({"id": str(number), "text": f"{TEXT} Note {number}."}).encode()


def test_documents_in_records_out_and_sigterm_drains(image: str, services: tuple[str, str]) -> None:
    bootstrap_servers, redis_url = services
    kafka = kafka_settings_for(bootstrap_servers, name=uuid.uuid4().hex[:12])
    port = free_port()
    with running(environment_of(kafka, redis_url, port), "worker") as worker:
        wait_until_ready(worker, port)
        produce(kafka, [OutgoingRecord(kafka.input_topic, b"%d" % n, document(n), ()) for n in range(200)])
        with committed_reader(kafka, (kafka.enriched_topic,)) as poll:
            first = next(records[0] for records in iter(lambda: poll(1.0), None) if records)
        assert stop(worker) == 0, logs(worker)
    assert "Ada Lovelace" in {entity["text"] for entity in json.loads(first.value or b"")["entities"]}
    # What was begun is out and committed, once; the group knows already that the worker went.
    published = read_all(kafka, (kafka.enriched_topic, kafka.dead_topic))
    with admin_client(kafka) as client:
        offsets = client.list_group_offsets([kafka.group_id])[kafka.group_id]
        assert client.describe_groups([kafka.group_id])[kafka.group_id]["members"] == []
    assert len(published) == sum(offset.offset for offset in offsets.values())


def test_it_tells_how_it_is(image: str, services: tuple[str, str]) -> None:
    bootstrap_servers, redis_url = services
    kafka = kafka_settings_for(bootstrap_servers, name=uuid.uuid4().hex[:12])
    port = free_port()
    with running(environment_of(kafka, redis_url, port), "worker") as worker:
        wait_until_ready(worker, port)
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            assert b"enrich_ready 1" in answer.read()
        # Docker asks at its own pace and another port; what it asks with is there and works without a shell.
        code, _ = worker.exec_run([*healthcheck(image)[:-1], healthcheck(image)[-1].replace("9464", str(port))])
        assert code == 0


def test_a_configuration_that_cannot_work_ends_with_one_line(image: str) -> None:
    with running({"ENRICH_KAFKA__GROUP": "x"}, "worker") as worker:
        assert worker.wait(timeout=60)["StatusCode"] == 2
        assert "ENRICH_KAFKA__GROUP is no option; did you mean ENRICH_KAFKA__GROUP_ID?" in logs(worker)


def test_it_holds_no_more_than_it_must(image: str) -> None:
    client = docker.from_env()
    try:
        attributes = client.images.get(image).attrs["Config"]
        assert attributes["User"].split(":")[0] == USER
        assert attributes["Entrypoint"] == ["/opt/enrich/bin/enrich"]
        programs = client.containers.run(
            image,
            ["-c", "import importlib.util as u; print([n for n in ('pip', 'nvidia', 'scipy') if u.find_spec(n)])"],
            entrypoint="/opt/enrich/bin/python",
            remove=True,
        )
        assert programs.strip() == b"[]"
    finally:
        client.close()


def healthcheck(image: str) -> list[str]:
    client = docker.from_env()
    try:
        test: list[str] = client.images.get(image).attrs["Config"]["Healthcheck"]["Test"]
    finally:
        client.close()
    assert test[0] == "CMD"  # CMD-SHELL would need a shell
    return test[1:]
