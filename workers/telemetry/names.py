"""Every metric a worker exports: name, kind, labels and what it means. Dashboards, alerts and the runbook rely on it.

No label comes from a document: `model` is a name of the settings, `stage`, `code` and `step` are words of this code.
Served at `GET http://HOST:PORT/metrics` with `telemetry.host` and `telemetry.port` (9464; 0 serves nothing), beside
`/live`, `/ready` and `/startup`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PORT = 9464  # what exporters of OpenTelemetry use

# Seconds of an epoch, or of one step of it: from a cached epoch in memory to a long one on two cores.
EPOCH_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family. Names of counters end in `_total`, as they are exported."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# --- what became of documents; counted once their transaction is committed
DOCUMENTS = Metric(
    "enrich_documents_total",
    "counter",
    "Documents published: enriched, dead_letter or tombstone",
    ("outcome",),
)
DEAD_LETTERS = Metric(
    "enrich_dead_letters_total",
    "counter",
    "Dead letters by failed step (validate, segment, model, assemble, publish) and code",
    ("stage", "code"),
)
STAGE_DOCUMENTS = Metric(
    "enrich_stage_documents_total",
    "counter",
    "Documents that hold an answer of the stage: entities, relations, classification, summary",
    ("stage",),
)
INPUT_BYTES = Metric("enrich_input_bytes_total", "counter", "Bytes of the values of published input records")
INPUT_TOKENS = Metric("enrich_input_tokens_total", "counter", "Tokens of their windows, from the cache or computed")

# --- epochs and transactions
TRANSACTIONS = Metric(
    "enrich_transactions_total", "counter", "Epochs published (committed) or to be read again (aborted)", ("result",)
)
LAST_COMMIT = Metric("enrich_last_commit_timestamp_seconds", "gauge", "Unix time of the last committed epoch, or 0")
EPOCH_SECONDS = Metric(
    "enrich_epoch_seconds", "histogram", "Seconds from reading an epoch to its commit", (), EPOCH_BUCKETS_S
)
STEP_SECONDS = Metric(
    "enrich_step_seconds",
    "histogram",
    "Seconds per epoch and step: validate, segment, cache_read, queue, prepare, forward, decode, cache_write, "
    "shared_wait, assemble, publish",
    ("step",),
    EPOCH_BUCKETS_S,
)

# --- batches, by model
BATCHES = Metric("enrich_batches_total", "counter", "Batches answered", ("model",))
WINDOWS = Metric("enrich_windows_total", "counter", "Windows answered by the model", ("model",))
BATCH_TOKENS = Metric(
    "enrich_batch_tokens_total", "counter", "Tokens run through the model; kind is useful or padding", ("model", "kind")
)
BATCH_CAPACITY = Metric(
    "enrich_batch_capacity_tokens_total",
    "counter",
    "Padded tokens that the answered batches could have held; useful and padding against it is how full they were",
    ("model",),
)
FORWARD_SECONDS = Metric("enrich_forward_seconds_total", "counter", "Seconds of forward passes", ("model",))
FAILED_BATCHES = Metric("enrich_failed_batches_total", "counter", "Batches that failed and were halved", ("model",))
FAILED_WINDOWS = Metric("enrich_failed_windows_total", "counter", "Windows without an answer", ("model",))
OUT_OF_MEMORY = Metric("enrich_out_of_memory_total", "counter", "Batches that did not fit into memory", ("model",))
WAITING_WINDOWS = Metric("enrich_waiting_windows", "gauge", "Windows ready and not yet on the device", ("model",))
BATCH_BUDGET = Metric(
    "enrich_batch_budget_tokens", "gauge", "Padded tokens a batch may hold; lower after an out-of-memory", ("model",)
)

# --- model and device
MODEL_INFO = Metric(
    "enrich_model_info",
    "gauge",
    "1; which model answers (name, revision, precision, device)",
    ("model", "name", "revision", "precision", "device"),
)
MODEL_LOAD_SECONDS = Metric("enrich_models_load_seconds", "gauge", "Seconds to load all models at the start")
DEVICE_MEMORY = Metric(
    "enrich_device_memory_bytes",
    "gauge",
    "Memory of the device; kind is allocated or reserved. Absent on a CPU: see process_resident_memory_bytes",
    ("device", "kind"),
)

# --- cache
CACHE_LOOKUPS = Metric("enrich_cache_lookups_total", "counter", "Results looked up; result is hit or miss", ("result",))
CACHE_ERRORS = Metric("enrich_cache_errors_total", "counter", "Calls that failed and values that were not readable")
CACHE_DROPPED = Metric("enrich_cache_dropped_total", "counter", "Results that were not written")
CACHE_AVAILABLE = Metric("enrich_cache_available", "gauge", "1; 0 while the breaker keeps Redis from being asked")

# --- load
IN_FLIGHT_EPOCHS = Metric("enrich_in_flight_epochs", "gauge", "Epochs between being read and being committed")
IN_FLIGHT_BYTES = Metric("enrich_in_flight_bytes", "gauge", "Bytes of their documents")
IN_FLIGHT_TOKENS = Metric("enrich_in_flight_tokens", "gauge", "Tokens of the documents that models are asked about now")
ASSIGNED_PARTITIONS = Metric("enrich_assigned_partitions", "gauge", "Input partitions that are this worker's")
LAG = Metric(
    "enrich_lag_records",
    "gauge",
    "Records of an assigned partition that are not committed: unread or under way. Absent until it was fetched from",
    ("topic", "partition"),
)
BACKLOG_TOKENS = Metric("enrich_backlog_tokens", "gauge", "This worker's lag times its tokens per document")
BACKLOG_SECONDS = Metric(
    "enrich_backlog_seconds",
    "gauge",
    "Seconds this worker needs for its own backlog. sum over workers: work in worker-seconds, the same however many "
    "share it; max over workers: seconds until all have caught up",
)
TOKENS_PER_DOCUMENT = Metric("enrich_tokens_per_document", "gauge", "Of recent documents; assumed before the first")
CAPACITY = Metric(
    "enrich_capacity_tokens_per_second",
    "gauge",
    "What this worker does while it has a backlog; as calibrated before it was measured",
)
CAPACITY_MEASURED = Metric(
    "enrich_capacity_measured", "gauge", "1 if the capacity was measured on documents under a backlog, 0 if assumed"
)

# --- health
READY = Metric("enrich_ready", "gauge", "1 if /ready answers 200")
WORKER_INFO = Metric("enrich_worker_info", "gauge", "1; version of the package", ("version",))

METRICS: tuple[Metric, ...] = tuple(value for value in list(vars().values()) if isinstance(value, Metric))
