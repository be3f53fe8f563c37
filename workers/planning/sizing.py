"""The fewest workers that carry a load within its latency, and the partitions they share."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from workers.errors import ConfigurationError
from workers.planning.queueing import GatedQueue, Lengths

MOST_WORKERS = 10_000
ROOM = 2  # partitions for each worker: a topic's partitions cannot grow without moving keys, its workers can


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked."""

    documents_per_s: float
    lengths: Lengths
    latency_s: float
    share: float = 0.95  # of the documents that must be within it
    max_utilization: float = 0.7  # of the busiest worker: the rest is for peaks, and for catching up
    outage_s: float = 3_600.0
    partitions: int | None = None  # of a topic that is there already


@dataclass(frozen=True, slots=True)
class Plan:
    """What is needed, and what it does."""

    workers: int
    partitions: int
    utilization: float  # of the busiest worker
    latency_s: float  # of the asked share
    mean_latency_s: float
    backlog_documents: float  # after the outage
    catch_up_s: float  # by these workers, while documents go on arriving
    catch_up_scaled_s: float  # with a worker for each partition


def busiest(queue: GatedQueue, workers: int, partitions: int) -> GatedQueue:
    """The worker with most partitions. Each partition has the same share of the documents."""
    share = math.ceil(partitions / workers) / partitions
    return replace(queue, documents_per_s=queue.documents_per_s * share)


def catch_up_s(queue: GatedQueue, *, outage_s: float) -> float:
    """Seconds until the backlog of an outage is gone, while documents go on arriving: backlog / spare speed."""
    busy = queue.utilization
    return outage_s * busy / (1 - busy) if busy < 1 else math.inf


def size(demand: Demand, *, tokens_per_s: float, epoch_s: float) -> Plan:
    """`epoch_s` with the transaction. Raises ConfigurationError where no number of workers would do."""
    whole = GatedQueue(demand.lengths, tokens_per_s, epoch_s, demand.documents_per_s)
    alone_s = replace(whole, documents_per_s=0.0).latency_s(demand.share)
    if alone_s > demand.latency_s:
        raise ConfigurationError(
            f"no number of workers answers {demand.share:.0%} within {demand.latency_s * 1000:.0f} ms: a document "
            f"alone takes up to {alone_s * 1000:.0f} ms: raise --latency-ms, or take a faster machine"
        )
    most = demand.partitions or MOST_WORKERS
    fewest = max(1, math.floor(whole.utilization / demand.max_utilization))  # with fewer the work is not done
    for workers in range(fewest, most + 1):
        partitions = demand.partitions or ROOM * workers
        queue = busiest(whole, workers, partitions)
        if queue.utilization <= demand.max_utilization and queue.latency_s(demand.share) <= demand.latency_s:
            return Plan(
                workers=workers,
                partitions=partitions,
                utilization=queue.utilization,
                latency_s=queue.latency_s(demand.share),
                mean_latency_s=queue.mean_latency_s,
                backlog_documents=demand.documents_per_s * demand.outage_s,
                catch_up_s=catch_up_s(queue, outage_s=demand.outage_s),
                catch_up_scaled_s=catch_up_s(busiest(whole, partitions, partitions), outage_s=demand.outage_s),
            )
    raise ConfigurationError(f"{most} workers are not enough, and there may be no more: one for each partition")
