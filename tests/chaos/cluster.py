"""Several Apache Kafka brokers of one run, which may be killed, with a network of its own between them and each worker.

A broker tells clients where to connect to, so a proxy in front of it is passed by. Hence every broker gets one more
listener for each worker and advertises the port of that worker's proxy there; brokers speak to each other directly.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaAdminClient, TopicPartition

from tests.chaos.network import Network
from tests.services import CONTROLLER_OFFSET, free_ports, wait_for_broker
from workers.errors import DependencyError
from workers.settings import KafkaSettings
from workers.transport.kafka_admin import admin_client
from workers.transport.kafka_client import kafka_errors

LISTENER_OFFSET = 100
MOVING_S = 120.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """`folder` holds the brokers' data; see `start`."""

    program: Path
    folder: Path
    port: int
    brokers: int
    networks: list[Network] = field(default_factory=list)  # one for each worker
    options: tuple[str, ...] = ()  # lines of the brokers' properties

    @classmethod
    def start(
        cls,
        stack: ExitStack,
        folder: Path,
        home: Path,
        *,
        brokers: int,
        workers: int = 0,
        options: tuple[str, ...] = (),
    ) -> Cluster:
        """Returns when the brokers answer; `stack` ends them. `home` is a folder with `kafka-local`."""
        offsets = [
            start + number
            for start, count in ((0, brokers), (CONTROLLER_OFFSET, brokers), (LISTENER_OFFSET, brokers * workers))
            for number in range(count)
        ]
        cluster = cls(home / "kafka-local", folder, free_ports(offsets), brokers, options=options)
        stack.callback(cluster._call, "kill", check=False)
        cluster._call("start", str(cluster.port), str(brokers))
        for worker in range(workers):
            network = stack.enter_context(Network(brokers))
            network.start([("127.0.0.1", cluster._listener_port(broker, worker)) for broker in range(brokers)])
            cluster.networks.append(network)
        if workers or options:
            wait_for_broker(cluster.bootstrap_servers)  # killed any sooner it may not have written who it is
            cluster._change_options()
        wait_for_broker(cluster.bootstrap_servers)  # a port may answer before the broker does
        return cluster

    @property
    def bootstrap_servers(self) -> str:
        """Without a proxy: for whoever watches."""
        return ",".join(f"127.0.0.1:{self.port + number}" for number in range(self.brokers))

    def bootstrap_servers_of(self, worker: int) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.networks[worker].ports)

    def kill(self, broker: int) -> None:
        self._call("kill", str(broker))
        self._wait_for_end(broker)

    def stop(self, broker: int) -> None:
        """SIGTERM: it hands its leaderships over before it goes. Returns when it has ended."""
        self._call("stop", str(broker))
        self._wait_for_end(broker)

    def _wait_for_end(self, broker: int) -> None:
        """A process that is killed takes a moment to give back its memory, and is not started again until then."""
        status = Path("/proc") / (self.folder / f"node-{broker}" / "pid").read_text().strip() / "status"
        deadline_s = time.monotonic() + MOVING_S
        while status.exists() and "\nState:\tZ" not in status.read_text():
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"broker {broker} has not ended within {MOVING_S:g} s")
            time.sleep(0.1)

    def restart(self, broker: int) -> None:
        """Returns when it answers."""
        self._call("restart", str(broker))

    def in_sync(self, settings: KafkaSettings, topics: Sequence[str]) -> bool:
        """Whether every partition of `topics` has all its replicas: then one broker may go away."""
        try:
            with admin_client(settings) as client, kafka_errors("looking for replicas"):
                described = client.describe_topics(list(topics))
        except DependencyError:
            return False
        partitions = [partition for topic in described for partition in topic["partitions"]]
        return bool(partitions) and all(len(p["isr_nodes"]) == len(p["replica_nodes"]) for p in partitions)

    def move_leaders(self, settings: KafkaSettings, topics: Sequence[str]) -> None:
        """Another broker leads each partition when this returns, and none was away: the replicas stay where they are,
        and the one behind the leader is preferred from now on."""
        with admin_client(settings) as client:
            before = leaders(client, topics)
            client.alter_partition_reassignments(
                {place: behind(leader, replicas) for place, (leader, replicas) in before.items()}
            )
            deadline_s = time.monotonic() + MOVING_S
            while any(leader == before[place][0] for place, (leader, _) in leaders(client, topics).items()):
                if time.monotonic() > deadline_s:
                    raise TimeoutError(f"leaders have not moved within {MOVING_S:g} s")
                client.elect_leaders(0, list(topics), raise_errors=False)

    def kill_all(self) -> None:
        self._call("kill")
        for broker in range(1, self.brokers + 1):
            self._wait_for_end(broker)

    def restart_all(self) -> None:
        """All at once: one alone would wait for the others."""
        command = [str(self.program), "restart", str(self.folder)]
        starting = [subprocess.Popen([*command, str(number)]) for number in range(1, self.brokers + 1)]
        codes = [process.wait(180.0) for process in starting]
        if any(codes):
            raise OSError(f"brokers did not start again, see {self.folder}")

    def _listener_port(self, broker: int, worker: int) -> int:
        return self.port + LISTENER_OFFSET + worker * self.brokers + broker

    def _change_options(self) -> None:
        self.kill_all()
        for broker in range(self.brokers):
            options = self.folder / f"node-{broker + 1}" / "server.properties"
            ours, advertised, protocols = "", "", ""
            for worker, network in enumerate(self.networks):
                ours += f",WORKER{worker}://127.0.0.1:{self._listener_port(broker, worker)}"
                advertised += f",WORKER{worker}://127.0.0.1:{network.ports[broker]}"
                protocols += f",WORKER{worker}:PLAINTEXT"
            text = options.read_text()
            for name, more in (
                ("listeners", ours),
                ("advertised.listeners", advertised),
                ("listener.security.protocol.map", protocols),
            ):
                text = re.sub(rf"^{re.escape(name)}=.*$", rf"\g<0>{more}", text, flags=re.MULTILINE)
            options.write_text("\n".join((text, *self.options, "")))
        self.restart_all()

    def _call(self, action: str, *arguments: str, check: bool = True) -> None:
        command = [str(self.program), action, str(self.folder), *arguments]
        # Not through pipes: a broker would inherit them, and reading would wait for it.
        subprocess.run(command, check=check, stdout=subprocess.DEVNULL, timeout=180)


def leaders(client: KafkaAdminClient, topics: Sequence[str]) -> dict[TopicPartition, tuple[int, list[int]]]:
    """Of each partition its leader and its replicas, the preferred leader first."""
    return {
        TopicPartition(topic["name"], partition["partition_index"]): (
            partition["leader_id"],
            list(partition["replica_nodes"]),
        )
        for topic in client.describe_topics(list(topics))
        for partition in topic["partitions"]
    }


def behind(leader: int, replicas: list[int]) -> list[int]:
    """The replicas in their order, begun behind this one."""
    at = replicas.index(leader) + 1
    return [*replicas[at:], *replicas[:at]]
