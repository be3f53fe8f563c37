"""Metrics for Prometheus: what epochs tell is counted as they end, what batchers and the cache count themselves is read
when somebody scrapes. Nothing here runs once per document.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from workers.telemetry import names
from workers.telemetry.backlog import BacklogMeter
from workers.telemetry.names import Metric
from workers.telemetry.recorder import CommittedEpoch, Load
from workers.telemetry.sources import Sources

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Family = CounterMetricFamily | GaugeMetricFamily
Sample = tuple[tuple[str, ...], float]  # values of the labels, value


class PrometheusRecorder:
    """A Recorder with a registry of its own: several in one process do not mix."""

    def __init__(self, meter: BacklogMeter, *, now: Callable[[], float] = time.time) -> None:
        """`now` is the time of day, in seconds since 1970."""
        self.registry = CollectorRegistry(auto_describe=False)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._meter = meter
        self._now = now
        self._documents = self._counter(names.DOCUMENTS)
        self._dead_letters = self._counter(names.DEAD_LETTERS)
        self._stages = self._counter(names.STAGE_DOCUMENTS)
        self._bytes = self._counter(names.INPUT_BYTES)
        self._tokens = self._counter(names.INPUT_TOKENS)
        self._transactions = self._counter(names.TRANSACTIONS)
        self._last_commit = Gauge(names.LAST_COMMIT.name, names.LAST_COMMIT.help, registry=self.registry)
        self._epoch_s = self._histogram(names.EPOCH_SECONDS)
        self._step_s = self._histogram(names.STEP_SECONDS)
        self._load = LoadCollector(meter)
        self.registry.register(self._load)
        for outcome in ("enriched", "dead_letter", "tombstone"):  # a rate needs a zero to start from
            self._documents.labels(outcome)
        for result in ("committed", "aborted"):
            self._transactions.labels(result)

    def watch(self, sources: Sources) -> None:
        """Export what these count. Once, when the models are loaded."""
        self.registry.register(SourceCollector(sources))

    def turned(self) -> None:
        pass

    def committed(self, epoch: CommittedEpoch) -> None:
        self._meter.committed(epoch)
        for outcome, count in epoch.documents.items():
            self._documents.labels(outcome).inc(count)
        for labels, count in epoch.dead_letters.items():
            self._dead_letters.labels(*labels).inc(count)
        for stage, count in epoch.stages.items():
            self._stages.labels(stage).inc(count)
        self._bytes.inc(epoch.size_bytes)
        self._tokens.inc(epoch.tokens)
        self._transactions.labels("committed").inc()
        self._last_commit.set(self._now())
        self._epoch_s.observe(epoch.epoch_s)
        for step, seconds in epoch.seconds.items():
            self._step_s.labels(step).observe(seconds)

    def aborted(self, epochs: int) -> None:
        self._meter.aborted()
        self._transactions.labels("aborted").inc(epochs)

    def standing(self, load: Load) -> None:
        self._meter.standing(load)
        self._load.load = load

    def exposition(self) -> bytes:
        """Everything, in Prometheus' text format. Any thread."""
        return generate_latest(self.registry)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.help, metric.labels, registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=self.registry)


class LoadCollector(Collector):
    """Gauges of this moment. A partition that went to another worker is gone with the next load."""

    def __init__(self, meter: BacklogMeter) -> None:
        self.load = Load()
        self._meter = meter

    def collect(self) -> list[Family]:
        load, meter = self.load, self._meter
        found = [
            family(names.IN_FLIGHT_EPOCHS, load.epochs),
            family(names.IN_FLIGHT_BYTES, load.size_bytes),
            family(names.IN_FLIGHT_TOKENS, load.tokens),
            family(names.ASSIGNED_PARTITIONS, load.partitions),
            families(names.LAG, [((topic, str(number)), lag) for (topic, number), lag in load.lag.items()]),
            family(names.BACKLOG_TOKENS, meter.backlog_tokens),
            family(names.TOKENS_PER_DOCUMENT, meter.tokens_per_document),
            family(names.CAPACITY_MEASURED, meter.measured),
        ]
        # Left out while unknown: a value that is not a number would make every sum over workers one, too.
        for metric, value in ((names.BACKLOG_SECONDS, meter.backlog_s), (names.CAPACITY, meter.tokens_per_s)):
            if value is not None:
                found.append(family(metric, value))
        return found


class SourceCollector(Collector):
    """What batchers, cache, device and health count or know themselves."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> list[Family]:
        sources = self._sources
        batchers = {model: stats() for model, stats in sources.batchers.items()}
        cache = sources.cache()
        info = [((m.lane, m.name, m.revision, m.precision, m.device), 1.0) for m in sources.models]
        memory = [((device, kind), size) for device, kinds in sources.memory().items() for kind, size in kinds.items()]

        def by_model(metric: Metric, attribute: str) -> Family:
            return families(metric, [((model,), getattr(stats, attribute)) for model, stats in batchers.items()])

        tokens: list[Sample] = []
        for model, stats in batchers.items():
            tokens.append(((model, "useful"), stats.useful_tokens))
            tokens.append(((model, "padding"), stats.padded_tokens - stats.useful_tokens))
        return [
            by_model(names.BATCHES, "batches"),
            by_model(names.WINDOWS, "windows"),
            families(names.BATCH_TOKENS, tokens),
            by_model(names.BATCH_CAPACITY, "capacity_tokens"),
            by_model(names.FORWARD_SECONDS, "forward_s"),
            by_model(names.FAILED_BATCHES, "failed_batches"),
            by_model(names.FAILED_WINDOWS, "failed_windows"),
            by_model(names.OUT_OF_MEMORY, "out_of_memory"),
            by_model(names.WAITING_WINDOWS, "waiting"),
            by_model(names.BATCH_BUDGET, "max_padded_tokens"),
            families(names.MODEL_INFO, info),
            family(names.MODEL_LOAD_SECONDS, sources.load_s),
            families(names.DEVICE_MEMORY, memory),
            families(names.CACHE_LOOKUPS, [(("hit",), cache.hits), (("miss",), cache.misses)]),
            family(names.CACHE_ERRORS, cache.errors),
            family(names.CACHE_DROPPED, cache.dropped),
            family(names.CACHE_AVAILABLE, cache.available),
            family(names.READY, sources.ready()),
            families(names.WORKER_INFO, [((sources.version,), 1.0)]),
        ]


def exposition_of(found: Iterable[Family]) -> bytes:
    """In Prometheus' text format, for who keeps the numbers somewhere else."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Found(list(found)))
    return generate_latest(registry)


class Found(Collector):
    """Tells what it was given."""

    def __init__(self, found: list[Family]) -> None:
        self._found = found

    def collect(self) -> list[Family]:
        return self._found


def family(metric: Metric, value: float) -> Family:
    return families(metric, [((), value)])


def families(metric: Metric, samples: Sequence[Sample]) -> Family:
    kind: Callable[..., Family] = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    made = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in samples:
        made.add_metric(labels, float(value))
    return made
