"""What a scrape shows."""

from __future__ import annotations

import re

import pytest

from benchmarks.scrape import Scrape, parsed
from tests.fakes.clock import FakeClock
from tests.fakes.recorders import a_load, an_epoch
from tests.fakes.sources import some_sources
from workers.cache.base import CacheStatus
from workers.telemetry import names
from workers.telemetry.backlog import BacklogMeter
from workers.telemetry.names import METRICS, Metric
from workers.telemetry.prometheus import PrometheusRecorder
from workers.telemetry.recorder import Load

NOW_S = 1_700_000_000.0


@pytest.fixture
def recorder() -> PrometheusRecorder:
    meter = BacklogMeter(assumed_tokens=254.0, assumed_tokens_per_s=1_000.0, clock=FakeClock())
    return PrometheusRecorder(meter, now=lambda: NOW_S)


def scraped(recorder: PrometheusRecorder) -> Scrape:
    return parsed(recorder.exposition().decode())


def test_an_epoch_counts_by_outcome_stage_and_step(recorder: PrometheusRecorder) -> None:
    recorder.committed(an_epoch(enriched=3, dead=1, tombstones=2, tokens=300))
    seen = scraped(recorder)
    outcomes = {o: seen.value(names.DOCUMENTS, outcome=o) for o in ("enriched", "dead_letter", "tombstone")}
    assert outcomes == {"enriched": 3, "dead_letter": 1, "tombstone": 2}
    assert seen.value(names.DEAD_LETTERS, stage="validate", code="invalid_json") == 1
    assert seen.value(names.STAGE_DOCUMENTS, stage="entities") == 3
    assert seen.value(names.INPUT_TOKENS) == 300
    assert seen.value(names.INPUT_BYTES) == 1_000
    assert seen.value(names.LAST_COMMIT) == NOW_S
    sums = {labels["step"]: value for name, labels, value in seen.samples if name == "enrich_step_seconds_sum"}
    assert sums == {"forward": 0.2, "publish": 0.02}


def test_transactions_count_from_zero(recorder: PrometheusRecorder) -> None:
    assert {(labels["result"], v) for n, labels, v in scraped(recorder).samples if n == names.TRANSACTIONS.name} == {
        ("committed", 0.0),
        ("aborted", 0.0),
    }
    recorder.committed(an_epoch())
    recorder.aborted(3)
    assert scraped(recorder).value(names.TRANSACTIONS, result="committed") == 1
    assert scraped(recorder).value(names.TRANSACTIONS, result="aborted") == 3


def test_a_partition_that_went_away_is_no_longer_shown(recorder: PrometheusRecorder) -> None:
    recorder.standing(a_load(40))
    assert scraped(recorder).value(names.LAG, topic="documents", partition="0") == 40
    recorder.standing(Load())
    assert not any(name == names.LAG.name for name, _, _ in scraped(recorder).samples)


def test_the_backlog_is_there_before_the_first_document_and_says_that_it_is_assumed(
    recorder: PrometheusRecorder,
) -> None:
    recorder.standing(a_load(1_000))
    seen = scraped(recorder)
    assert seen.value(names.BACKLOG_TOKENS) == 254_000
    assert seen.value(names.BACKLOG_SECONDS) == 254.0
    assert seen.value(names.CAPACITY_MEASURED) == 0


def test_a_backlog_of_unknown_length_is_absent_not_a_number_that_is_none() -> None:
    recorder = PrometheusRecorder(BacklogMeter(assumed_tokens=254.0))
    recorder.standing(a_load(1_000))
    shown = {name for name, _, _ in scraped(recorder).samples}
    assert names.BACKLOG_SECONDS.name not in shown
    assert names.CAPACITY.name not in shown
    recorder.standing(a_load(0))
    assert names.BACKLOG_SECONDS.name in {name for name, _, _ in scraped(recorder).samples}


def test_batchers_and_cache_are_read_when_somebody_asks(recorder: PrometheusRecorder) -> None:
    recorder.watch(some_sources(cache=CacheStatus(available=False, hits=10, misses=30, errors=2, dropped=1)))
    seen = scraped(recorder)
    assert seen.value(names.BATCH_TOKENS, model="default", kind="useful") == 3_000
    assert seen.value(names.BATCH_TOKENS, model="default", kind="padding") == 1_000
    assert seen.value(names.BATCH_CAPACITY, model="default") == 8_000
    assert seen.value(names.CACHE_LOOKUPS, result="hit") == 10
    assert seen.value(names.CACHE_AVAILABLE) == 0
    assert seen.value(names.DEVICE_MEMORY, device="cuda:0", kind="reserved") == 200
    assert seen.value(names.MODEL_INFO, name="minilm", precision="bf16") == 1


def everything_shown(recorder: PrometheusRecorder) -> Scrape:
    recorder.watch(some_sources())
    recorder.standing(a_load(40, documents=10))
    recorder.committed(an_epoch(tombstones=1))
    return scraped(recorder)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_name_is_exported_with_its_labels(recorder: PrometheusRecorder, metric: Metric) -> None:
    suffix = "_bucket" if metric.kind == "histogram" else ""
    labels = set(metric.labels) | ({"le"} if metric.kind == "histogram" else set())
    shown = [own for name, own, _ in everything_shown(recorder).samples if name == metric.name + suffix]
    assert shown
    assert all(set(own) == labels for own in shown)


def test_nothing_of_ours_is_exported_that_has_no_name(recorder: PrometheusRecorder) -> None:
    known = {metric.name for metric in METRICS}
    shown = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name, _, _ in everything_shown(recorder).samples}
    ours = {name for name in shown if name.startswith("enrich_")}
    # `_created` of a counter goes by the name without `_total`.
    assert {name for name in ours if name not in known and f"{name}_total" not in known} == set()


def test_names_follow_the_conventions_of_prometheus() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"enrich_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert set(metric.labels) <= {
            "outcome", "stage", "code", "result", "step", "model", "kind", "device", "topic", "partition",
            "name", "revision", "precision", "version",
        }  # fmt: skip
