"""Guarantee 4: the cache can only make things faster. The packaged model, the samples, and a Redis that dies."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from workers.cli.demo import sample_records
from workers.compose import AnyModel, load_models, open_pipeline
from workers.enrich.outcome import Enriched
from workers.enrich.outgoing import Outgoing
from workers.settings import CacheSettings, Settings
from workers.transport.base import IncomingRecord, Partition
from workers.transport.local import EmbeddedServices

OUTGOING = Outgoing("enriched", "dead", max_record_bytes=1_000_000, max_payload_bytes=100_000, worker="w")
EPOCHS = 4


@pytest.fixture(scope="module")
def models() -> dict[str, AnyModel]:
    return load_models(Settings())


@pytest.fixture
def services(tmp_path: Path) -> Iterator[EmbeddedServices]:
    with EmbeddedServices.start(tmp_path) as running:
        yield running


def records() -> list[IncomingRecord]:
    samples = sample_records()
    return [IncomingRecord(Partition("documents", 0), n, 0, s.key, s.value) for n, s in enumerate(samples)]


def enrich_all(
    models: dict[str, AnyModel], cache: CacheSettings, before_epoch: Callable[[int], None]
) -> tuple[list[bytes | None], list[int]]:
    """The values of the output records, and the windows that came from the cache in each epoch."""
    todo: Sequence[IncomingRecord] = records()
    size = -(-len(todo) // EPOCHS)
    made: list[bytes | None] = []
    hits: list[int] = []
    with open_pipeline(Settings(cache=cache), models) as pipeline:
        for number in range(EPOCHS):
            before_epoch(number)
            outcomes = pipeline.enrich(todo[number * size : (number + 1) * size])
            made += [one.record.value for one in OUTGOING.write(outcomes)]
            hits.append(sum(outcome.run.cache_hits for outcome in outcomes if isinstance(outcome, Enriched)))
    return made, hits


@pytest.mark.timeout(300)
def test_a_redis_that_dies_on_the_way_changes_no_byte(models: dict[str, AnyModel], services: EmbeddedServices) -> None:
    def nothing(number: int) -> None: ...

    def kill(number: int) -> None:
        if number == 2:
            services.process.send_signal(signal.SIGKILL)
            services.process.wait()

    redis = CacheSettings.model_validate({"kind": "redis", "redis_url": services.redis_url, "timeout_ms": 1_000})
    without, _ = enrich_all(models, CacheSettings(), nothing)
    cold, _ = enrich_all(models, redis, nothing)
    dying, hits = enrich_all(models, redis, kill)
    assert min(hits[:2]) > 0, "nothing came from Redis while it lived: the test shows nothing"
    assert hits[2:] == [0, 0]
    assert len(without) == len(records())
    assert cold == without
    assert dying == without
