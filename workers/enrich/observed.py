"""What the worker's loop tells of an epoch and of itself: counts and seconds for a recorder, contexts for traces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from schemas import StageName
from workers.enrich.enricher import EnricherState
from workers.enrich.outcome import Written
from workers.enrich.under_way import UnderWay
from workers.errors import EnrichError
from workers.telemetry.recorder import CommittedEpoch, Load
from workers.telemetry.traces import EpochTrace, TracedDocument
from workers.transport.base import Epoch, Observable, OutgoingRecord, Transport

ENRICHED, DEAD_LETTER, TOMBSTONE = "enriched", "dead_letter", "tombstone"


def committed_epoch(
    epoch: Epoch, written: Sequence[Written], *, seconds: Mapping[str, float], epoch_s: float
) -> CommittedEpoch:
    """One pass, which looks at nothing that grows with a text."""
    documents: Counter[str] = Counter()
    dead: Counter[tuple[str, str]] = Counter()
    stages: dict[StageName, int] = dict.fromkeys(StageName, 0)
    tokens = 0
    for one in written:
        if one.failure is not None:
            documents[DEAD_LETTER] += 1
            dead[one.failure] += 1
        else:
            documents[ENRICHED if one.enriched else TOMBSTONE] += 1
        tokens += one.run.tokens if one.run is not None else 0
        for stage in one.stages:
            stages[stage] += 1
    by_stage = {stage.value: count for stage, count in stages.items() if count}
    return CommittedEpoch(documents, dead, by_stage, epoch.size_bytes, tokens, seconds, epoch_s)


def load_of(transport: Transport, under_way: Sequence[UnderWay], enricher: EnricherState, *, stopping: bool) -> Load:
    """A transport that cannot tell where it stands is well, and behind by nothing; one that fails to is not well. Never
    raises: a look must not make the loop read again."""
    epochs = [item.epoch for item in under_way]
    load = Load(
        stopping=stopping,
        epochs=len(epochs),
        documents=sum(len(epoch.records) for epoch in epochs),
        answered=sum(len(item.epoch.records) for item in under_way if item.answered),
        size_bytes=sum(epoch.size_bytes for epoch in epochs),
        tokens=enricher.tokens,
        answered_tokens=enricher.answered_tokens,
    )
    if not isinstance(transport, Observable):
        return load
    try:
        standing = transport.standing()
    except EnrichError as error:
        return replace(load, problem=str(error))
    lag = {(partition.topic, partition.number): count for partition, count in standing.lag.items()}
    return replace(load, problem=standing.problem, partitions=standing.partitions, lag=lag)


def traced_documents(epoch: Epoch, written: Sequence[Written]) -> list[TracedDocument]:
    return [
        TracedDocument(
            topic=incoming.partition.topic,
            partition=incoming.partition.number,
            offset=incoming.offset,
            headers=incoming.headers,
            target=one.record.topic,
            failure=".".join(one.failure) if one.failure is not None else None,
        )
        for incoming, one in zip(epoch.records, written, strict=True)
    ]


def with_contexts(records: Sequence[OutgoingRecord], trace: EpochTrace) -> list[OutgoingRecord]:
    return [replace(record, headers=trace.headers(n, record.headers)) for n, record in enumerate(records)]
