"""What the worker's loop tells of an epoch and of itself: counts and seconds for a recorder, contexts for traces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from schemas import FailedStep, StageName
from workers.enrich.outcome import Enriched, Failed, Outcome
from workers.enrich.outgoing import TOO_LARGE
from workers.enrich.under_way import UnderWay
from workers.errors import EnrichError
from workers.telemetry.recorder import CommittedEpoch, Load
from workers.telemetry.traces import EpochTrace, TracedDocument
from workers.transport.base import Epoch, Observable, OutgoingRecord, Transport

ENRICHED, DEAD_LETTER, TOMBSTONE = "enriched", "dead_letter", "tombstone"


def committed_epoch(
    epoch: Epoch,
    outcomes: Sequence[Outcome],
    *,
    too_large: int,
    seconds: Mapping[str, float],
    epoch_s: float,
) -> CommittedEpoch:
    """One pass over the outcomes, which looks at nothing that grows with a text. `too_large` of the enriched ones came
    out as dead letters."""
    documents: Counter[str] = Counter()
    dead: Counter[tuple[str, str]] = Counter()
    stages: dict[StageName, int] = dict.fromkeys(StageName, 0)
    tokens = 0
    for outcome in outcomes:
        if isinstance(outcome, Enriched):
            documents[ENRICHED] += 1
            tokens += outcome.run.tokens
            for receipt in outcome.document.receipts:
                stages[receipt.stage] += 1
        elif isinstance(outcome, Failed):
            documents[DEAD_LETTER] += 1
            dead[outcome.failure.step.value, outcome.failure.code] += 1
        else:
            documents[TOMBSTONE] += 1
    if too_large:
        documents[ENRICHED] -= too_large
        documents[DEAD_LETTER] += too_large
        dead[FailedStep.PUBLISH.value, TOO_LARGE] += too_large
    by_stage = {stage.value: count for stage, count in stages.items() if count}
    return CommittedEpoch(documents, dead, by_stage, epoch.size_bytes, tokens, seconds, epoch_s)


def load_of(
    transport: Transport, under_way: Sequence[UnderWay], *, tokens: int, answered_tokens: int, stopping: bool
) -> Load:
    """A transport that cannot tell where it stands is well, and behind by nothing; one that fails to is not well. Never
    raises: a look must not make the loop read again."""
    epochs = [item.epoch for item in under_way]
    load = Load(
        stopping=stopping,
        epochs=len(epochs),
        documents=sum(len(epoch.records) for epoch in epochs),
        answered=sum(len(item.epoch.records) for item in under_way if item.answered),
        size_bytes=sum(epoch.size_bytes for epoch in epochs),
        tokens=tokens,
        answered_tokens=answered_tokens,
    )
    if not isinstance(transport, Observable):
        return load
    try:
        standing = transport.standing()
    except EnrichError as error:
        return replace(load, problem=str(error))
    lag = {(partition.topic, partition.number): count for partition, count in standing.lag.items()}
    return replace(load, problem=standing.problem, partitions=standing.partitions, lag=lag)


def traced_documents(outcomes: Sequence[Outcome], records: Sequence[OutgoingRecord]) -> list[TracedDocument]:
    return [
        TracedDocument(
            topic=outcome.record.partition.topic,
            partition=outcome.record.partition.number,
            offset=outcome.record.offset,
            headers=outcome.record.headers,
            target=record.topic,
            failure=f"{outcome.failure.step.value}.{outcome.failure.code}" if isinstance(outcome, Failed) else None,
        )
        for outcome, record in zip(outcomes, records, strict=True)
    ]


def with_contexts(records: Sequence[OutgoingRecord], trace: EpochTrace) -> list[OutgoingRecord]:
    return [replace(record, headers=trace.headers(n, record.headers)) for n, record in enumerate(records)]
