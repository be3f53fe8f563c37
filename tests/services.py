"""Finds a broker and a Redis for tests, and starts what has to be started: once per session, ended with it.

In this order: the ones named by KAFKA_BOOTSTRAP_SERVERS and REDIS_URL; a local Apache Kafka that KAFKA_HOME names (a
folder with `kafka-local` and `libs/`); containers, if a Docker engine answers; a local redis-server; the embedded
services.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from workers.errors import ConfigurationError
from workers.settings import KafkaSettings
from workers.transport.local import EmbeddedServices, find_program, free_port, wait_for_port

KAFKA_IMAGE = "apache/kafka:4.3.1"
REDIS_IMAGE = "redis:8"
CONTROLLER_PORT = 9093  # inside a container
CONTROLLER_OFFSET = 1_001  # between a broker's port and its controller's, as `kafka-local` has it


@dataclass(frozen=True, slots=True)
class Source:
    """Where a service would come from. `start` returns its address and pushes what ends it onto the stack."""

    name: str
    start: Callable[[ExitStack, Path], str]
    embedded: bool = False


def find_kafka() -> Source | None:
    if named := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        return Source(f"KAFKA_BOOTSTRAP_SERVERS={named}", lambda stack, folder: named)
    if (home := kafka_home()) is not None:
        return Source(f"Apache Kafka at {home}", lambda stack, folder: start_local_kafka(stack, folder, home))
    if engine_answers():
        return Source(f"container {kafka_image()}", start_kafka_container)
    return find_embedded(lambda services: services.bootstrap_servers)


def find_redis() -> Source | None:
    if named := os.environ.get("REDIS_URL"):
        return Source("REDIS_URL", lambda stack, folder: named)
    if engine_answers():
        return Source(f"container {redis_image()}", start_redis_container)
    if program := shutil.which("redis-server"):
        return Source(program, lambda stack, folder: start_local_redis(stack, folder, program))
    return find_embedded(lambda services: services.redis_url)


def find_embedded(address: Callable[[EmbeddedServices], str]) -> Source | None:
    try:
        find_program()
    except ConfigurationError:
        return None
    return Source("the embedded services", lambda stack, folder: address(start_embedded(stack, folder)), embedded=True)


def start_embedded(stack: ExitStack, folder: Path) -> EmbeddedServices:
    return stack.enter_context(EmbeddedServices.start(folder))


def kafka_home() -> Path | None:
    """A folder with `kafka-local` and `libs/`, if there is a Java to run it."""
    folder = Path(os.environ.get("KAFKA_HOME", "nowhere")).resolve()
    complete = (folder / "kafka-local").exists() and (folder / "libs").is_dir()
    return folder if complete and shutil.which("java") else None


def start_local_kafka(stack: ExitStack, folder: Path, home: Path) -> str:
    port, program = free_ports((0, CONTROLLER_OFFSET)), str(home / "kafka-local")
    stack.callback(subprocess.run, [program, "kill", str(folder)], check=False)
    subprocess.run([program, "start", str(folder), str(port)], check=True, capture_output=True, timeout=90)
    return f"127.0.0.1:{port}"


def free_ports(offsets: Sequence[int]) -> int:
    """A port so that it plus each offset is free. Below the range from which outgoing connections get theirs, so that
    none takes one before the broker is up."""
    for port in random.sample(range(20_000, 31_000), 200):
        try:
            for offset in offsets:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port
    raise OSError("no free ports for brokers and controllers")


def start_local_redis(stack: ExitStack, folder: Path, program: str) -> str:
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait, 10)
    stack.callback(process.terminate)
    wait_for_port(process, port)
    return f"redis://127.0.0.1:{port}/0"


def engine_answers() -> bool:
    """Asked over its socket and not through the docker package, which leaks a socket where nobody answers."""
    host = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    try:
        if host.scheme == "unix":
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(2.0)
        else:
            connection = socket.create_connection((host.hostname or "localhost", host.port or 2375), timeout=2.0)
        with connection:
            if host.scheme == "unix":
                connection.connect(host.path)
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def kafka_image() -> str:
    return os.environ.get("TEST_KAFKA_IMAGE", KAFKA_IMAGE)


def redis_image() -> str:
    return os.environ.get("TEST_REDIS_IMAGE", REDIS_IMAGE)


def start_kafka_container(stack: ExitStack, folder: Path) -> str:
    from testcontainers.core.container import DockerContainer

    # The same port inside and outside: the broker calls itself by its advertised address when it checks a transaction.
    port = free_port()
    container = DockerContainer(kafka_image()).with_bind_ports(port, port)
    for name, value in {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:{CONTROLLER_PORT}",
        "ADVERTISED_LISTENERS": f"PLAINTEXT://localhost:{port}",
        "LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "CONTROLLER_QUORUM_VOTERS": f"1@localhost:{CONTROLLER_PORT}",
        "AUTO_CREATE_TOPICS_ENABLE": "false",
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "GROUP_MIN_SESSION_TIMEOUT_MS": "2000",
    }.items():
        container.with_env(f"KAFKA_{name}", value)
    stack.enter_context(container)
    address = f"localhost:{port}"  # as it is advertised
    wait_for_broker(address)
    return address


def wait_for_broker(address: str) -> None:
    """Asks the broker instead of reading its log: images differ in what they log."""
    from workers.transport.kafka_admin import reachable  # not above: see tests/conftest.py

    settings = KafkaSettings(bootstrap_servers=address, connect_timeout_ms=2_000)
    deadline_s = time.monotonic() + 90
    while not reachable(settings):
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the broker at {address} does not answer")
        time.sleep(0.5)


def start_redis_container(stack: ExitStack, folder: Path) -> str:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    container = DockerContainer(redis_image()).with_exposed_ports(6379)
    stack.enter_context(container.waiting_for(LogMessageWaitStrategy("Ready to accept connections")))
    return f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
