"""What each fault of Redis costs, and that it changes no byte: `python -m tests.chaos.redis_faults`.

The product's worker with the packaged model, over a log in this process, in pairs: without a cache, and with a Redis
that misbehaves. Prints whether the output is the same, the median ratio of documents a second, and how often Redis was
asked.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
from pydantic import SecretStr

from tests.fakes.redis_faults import Fault, FaultyRedis
from workers.cli.demo import sample_records
from workers.compose import AnyModel, load_models, open_worker
from workers.settings import CacheSettings, Settings
from workers.transport.memory import MemoryLog, MemoryTransport

LEAST_RATIO = 0.95


@dataclass(frozen=True, slots=True)
class Scenario:
    """`warm`: the cache holds every result before the fault begins, so what is damaged is really read."""

    name: str
    fault: Fault = Fault.NONE
    slow_s: float = 1.0
    warm: bool = False
    damage: Callable[[FaultyRedis], None] | None = None  # before every question
    address: Callable[[str], str] = str


def flush(server: FaultyRedis) -> None:
    server.values.clear()


def evict_half(server: FaultyRedis) -> None:
    for name in sorted(server.values)[::2]:
        del server.values[name]


def corrupt(server: FaultyRedis) -> None:
    for name, value in server.values.items():
        server.values[name] = value[:-1] + bytes([value[-1] ^ 1])


def make_older(server: FaultyRedis) -> None:
    for name, value in server.values.items():
        server.values[name] = value[:2] + b"\x00" + value[3:]


def nobody_there(url: str) -> str:
    return url.replace(url.rsplit(":", 1)[1], "1/0")  # nobody listens at port 1


SCENARIOS = (
    Scenario("refused", address=nobody_there),
    Scenario("black-holed", Fault.BLACK_HOLE),
    Scenario("slow: 1 s", Fault.SLOW),
    Scenario("slow: 50 ms, within the time-out", Fault.SLOW, slow_s=0.05),
    Scenario("hangs up", Fault.HANG_UP),
    Scenario("no RESP", Fault.GARBAGE),
    Scenario("OOM command not allowed", Fault.OOM),
    Scenario("read-only replica", Fault.READONLY),
    Scenario("loading", Fault.LOADING),
    Scenario("password missing", Fault.NOAUTH),
    Scenario("password wrong", address=lambda url: url.replace("://", "://:wrong@")),
    Scenario("TLS asked of a plain one", address=lambda url: url.replace("redis://", "rediss://")),
    Scenario("flushed all the time", damage=flush, warm=True),
    Scenario("evicts half all the time", damage=evict_half, warm=True),
    Scenario("values corrupted", damage=corrupt, warm=True),
    Scenario("values of an older version", damage=make_older, warm=True),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    values: list[bytes | None]  # of the output records, in the order of their input
    documents_per_s: float
    asked: int = 0  # questions and connections that reached Redis


def documents(count: int) -> list[bytes]:
    """The samples, over and over, each time with another sentence: nothing is known from before."""
    samples = [value for record in sample_records() if (value := record.value) is not None]
    texts = [parsed for value in samples if isinstance(parsed := safe(value), dict) and parsed.get("text")]
    return [
        orjson.dumps({"id": f"{number}", "text": f"{texts[number % len(texts)]['text']} This is note {number}."})
        for number in range(count)
    ]


def safe(value: bytes) -> object:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


def run(models: Mapping[str, AnyModel], settings: Settings, todo: Sequence[bytes]) -> Outcome:
    log = MemoryLog(partitions=1)
    for number, value in enumerate(todo):
        log.append("documents", b"%d" % number, value)
    with open_worker(settings, models, MemoryTransport(log)) as worker:
        started_s = time.monotonic()
        worker.run()
        seconds = time.monotonic() - started_s
    topics = (settings.kafka.enriched_topic, settings.kafka.dead_topic)
    return Outcome([record.value for record in log.read(*topics)], len(todo) / seconds)


@contextmanager
def misbehaving(scenario: Scenario) -> Iterator[tuple[FaultyRedis, CacheSettings]]:
    with FaultyRedis(slow_s=scenario.slow_s) as server:
        url = SecretStr(scenario.address(server.url))
        yield server, CacheSettings(kind="redis", redis_url=url, timeout_ms=100)


def run_with(scenario: Scenario, models: Mapping[str, AnyModel], settings: Settings, todo: Sequence[bytes]) -> Outcome:
    with misbehaving(scenario) as (server, cache):
        cached = settings.model_copy(update={"cache": cache})
        if scenario.warm:
            run(models, cached, todo)
            server.asked.clear()
        if (damage := scenario.damage) is not None:
            server.on_ask = lambda: damage(server)
        server.fault = scenario.fault
        found = run(models, cached, todo)
        return Outcome(found.values, found.documents_per_s, max(len(server.asked), server.connections))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", help="scenarios with this in their name")
    arguments = parser.parse_args()
    settings = Settings.model_validate({"epoch": {"max_records": 32}})
    models, todo = load_models(settings), documents(arguments.documents)
    run(models, settings, todo[:50])  # warms up
    print("| Redis | same bytes | documents/s against no cache: median (all) | asked |\n|---|---|---|---|", flush=True)
    good = True
    for scenario in SCENARIOS:
        if arguments.only and arguments.only not in scenario.name:
            continue
        ratios, same, asked = [], True, 0
        for _ in range(arguments.pairs):
            without, faulty = run(models, settings, todo), run_with(scenario, models, settings, todo)
            same &= faulty.values == without.values
            ratios.append(faulty.documents_per_s / without.documents_per_s)
            asked = max(asked, faulty.asked)
        median = statistics.median(ratios)
        good &= same and median >= LEAST_RATIO
        told = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"| {scenario.name} | {'yes' if same else 'NO'} | {median:.2f} ({told}) | {asked} |", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
