"""What becomes of one input record: enriched, failed or forwarded, and then written. Values, so that one record cannot
hurt another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas import EnrichedDocument, FailedStep, StageName
from workers.transport.base import IncomingRecord, OutgoingRecord


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that cannot be enriched. `detail` says which limit, and never quotes the document."""

    step: FailedStep
    code: str
    detail: str
    document_id: str | None = None
    attempts: int = 1
    smallest_failing: int | None = None  # windows in the smallest batch that failed with it; None: no batch was run


@dataclass(frozen=True, slots=True)
class RunReceipt:
    """How this run came to the record; the part of the receipts that may differ from run to run."""

    segments: int = 0
    cache_hits: int = 0
    cache_lookups: int = 0
    tokens: int = 0  # of the document's windows, of all models; told to metrics only
    seconds: Mapping[str, float] = field(default_factory=dict)  # by step, of the record's epoch


@dataclass(frozen=True, slots=True)
class Enriched:
    record: IncomingRecord
    document: EnrichedDocument
    run: RunReceipt


@dataclass(frozen=True, slots=True)
class Failed:
    record: IncomingRecord
    failure: Failure


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A record without a value: forwarded, so that a compacted output topic forgets the document too."""

    record: IncomingRecord


Outcome = Enriched | Failed | Tombstone


@dataclass(frozen=True, slots=True)
class Written:
    """The output record that an outcome became, and what the loop tells of it. Of the text it has the record's bytes
    and nothing else: it may come from another process."""

    record: OutgoingRecord
    failure: tuple[str, str] | None = None  # step and code of a dead letter
    run: RunReceipt | None = None  # of an enriched document, also where it came out as a dead letter
    stages: tuple[StageName, ...] = ()  # that answered it

    @property
    def enriched(self) -> bool:
        return self.run is not None and self.failure is None
