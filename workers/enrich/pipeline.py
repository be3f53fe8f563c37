"""The map of the system: what happens to the records of an epoch, step by step, in the order it happens.

    validate -> segment -> answer (cache, then batch and model) -> assemble

Read this file first. It knows interfaces only: no Kafka, no Redis, no torch. A bad record leaves it as a value, one
outcome per record; a broken dependency leaves it as an exception.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from schemas import Document, FailedStep
from workers.batching.answers import ModelFailed
from workers.enrich.answers import Answers, Share
from workers.enrich.assemble import Assembler
from workers.enrich.outcome import Enriched, Failed, Failure, Outcome, RunReceipt, Tombstone
from workers.enrich.reading import Accepted, Reader, Reading
from workers.enrich.validate import validate
from workers.settings import LimitSettings
from workers.telemetry.steps import StepTimes
from workers.transport.base import IncomingRecord


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Turns records into outcomes. Safe to call from several threads."""

    limits: LimitSettings
    reader: Reader
    answers: Answers
    assembler: Assembler

    def enrich(self, records: Sequence[IncomingRecord]) -> list[Outcome]:
        """One outcome per record, in order. Raises ModelError only if the device itself is lost."""
        watch = StepTimes()
        with watch.step("validate"):
            checked = [self.check(record) for record in records]
        with watch.step("segment"):
            read = self.reader.read(checked)  # the accepted ones become readings
        readings = [item for item in read if isinstance(item, Reading)]
        answered = self.answers.answer([window for reading in readings for window in reading.windows])
        for step, seconds in answered.seconds.items():
            watch.add(step, seconds)
        with watch.step("assemble"):
            shares = iter(answered.split([len(reading.windows) for reading in readings]))
            outcomes = [self.outcome(item, next(shares)) if isinstance(item, Reading) else item for item in read]
        return [_stamped(outcome, watch) for outcome in outcomes]

    def check(self, record: IncomingRecord) -> Accepted | Failed | Tombstone:
        verdict = validate(record, self.limits)
        if isinstance(verdict, Document):
            return Accepted(record, verdict)
        return Failed(record, verdict) if isinstance(verdict, Failure) else verdict

    def outcome(self, reading: Reading, share: Share) -> Enriched | Failed:
        """The record of one document, or why there is none."""
        failed = [answer for answer in share.answers if isinstance(answer, ModelFailed)]
        if failed:
            first = failed[0]
            detail = f"{len(failed)} of {len(share.answers)} windows failed: {first.detail}"
            failure = Failure(FailedStep.MODEL, first.code, detail, reading.document.id, first.attempts)
            return Failed(reading.record, failure)
        answers = [answer for answer in share.answers if not isinstance(answer, ModelFailed)]
        try:
            document = self.assembler.assemble(reading, answers)
        except Exception as error:  # noqa: BLE001  boundary of a record: its neighbours must not suffer
            document = Failure(FailedStep.ASSEMBLE, "internal_error", type(error).__name__, reading.document.id)
        if isinstance(document, Failure):
            return Failed(reading.record, document)
        count = len(share.answers)
        return Enriched(reading.record, document, RunReceipt(count, cache_hits=share.cache_hits, cache_lookups=count))


def _stamped(outcome: Outcome, watch: StepTimes) -> Outcome:
    if not isinstance(outcome, Enriched):
        return outcome
    return replace(outcome, run=replace(outcome.run, seconds=watch.seconds()))
