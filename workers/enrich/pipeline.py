"""The map of the system: what happens to the records of an epoch, step by step, in the order it happens.

    validate -> segment -> answer (cache, then batch and model) -> assemble

Stages may name different models. Each model is a lane: it cuts the texts its own way and answers for its stages; the
lanes are asked side by side, and documents are put together when all have answered.

Read this file first. It knows interfaces only: no Kafka, no Redis, no torch. A bad record leaves it as a value, one
outcome per record; a broken dependency leaves it as an exception.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

from schemas import Calibration, Document, FailedStep
from workers.batching.answers import ModelFailed
from workers.enrich.answers import Answers, Share
from workers.enrich.assemble import Assembler
from workers.enrich.condense import Condenser
from workers.enrich.lanes import ask_all
from workers.enrich.outcome import Enriched, Failed, Failure, Outcome, RunReceipt, Tombstone
from workers.enrich.permits import Permits
from workers.enrich.reading import Accepted, Reader, Reading
from workers.enrich.validate import validate
from workers.settings import LimitSettings
from workers.telemetry.steps import ANSWER, StepTimes
from workers.telemetry.watch import Watch
from workers.transport.base import IncomingRecord


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Turns records into outcomes. Safe to call from several threads."""

    limits: LimitSettings
    reader: Reader
    answers: Mapping[str, Answers]  # by lane
    assembler: Assembler
    condensers: Mapping[str, Condenser] = field(default_factory=dict)  # of lanes that write summaries, and only those
    watch: Watch = field(default_factory=Watch)  # over whatever may not come back
    permits: Permits = field(default_factory=lambda: Permits(sys.maxsize))  # of tokens that models are asked about
    calibrations: Callable[[], Sequence[Calibration]] = tuple  # in force now; an epoch is enriched under one answer
    # One epoch at a time is read or assembled, which is the interpreter's work: side by side they would be ready late
    # together, and the device's thread would wait for the interpreter behind all of them.
    desk: Lock = field(default_factory=Lock)

    def enrich(self, records: Sequence[IncomingRecord], watch: StepTimes | None = None) -> list[Outcome]:
        """One outcome per record, in order. Raises ModelError only if the device itself is lost. `watch` is told the
        time of each step."""
        watch = watch or StepTimes()
        assembler = self.assembler.under(self.calibrations())
        with self.desk, self.watch.call("reading an epoch"):
            with watch.step("validate"):
                checked = [self.check(record) for record in records]
            with watch.step("segment"):
                read = self.reader.read(checked)  # the accepted ones become readings
        readings = [item for item in read if isinstance(item, Reading)]
        with self.permits.take(sum(reading.tokens for reading in readings)), watch.phase(ANSWER):
            answered = self.ask(readings, watch)
        with self.desk, watch.step("assemble"):
            shares = {lane: iter(found) for lane, found in answered.items()}
            outcomes = [
                self.outcome(item, {lane: next(left) for lane, left in shares.items()}, assembler)
                if isinstance(item, Reading)
                else item
                for item in read
            ]
        return [_stamped(outcome, watch) for outcome in outcomes]

    def rehearse(self) -> None:
        """Every model answers a text of our own. Raises DeviceLost if one does not: then no document is to blame."""
        for answers in self.answers.values():
            answers.batcher.require_answering()

    def check(self, record: IncomingRecord) -> Accepted | Failed | Tombstone:
        verdict = validate(record, self.limits)
        if isinstance(verdict, Document):
            return Accepted(record, verdict)
        return Failed(record, verdict) if isinstance(verdict, Failure) else verdict

    def ask(self, readings: Sequence[Reading], watch: StepTimes) -> dict[str, list[Share]]:
        """What every lane says about every document. A long text is summarized in several passes.

        They are published together, so all are as urgent as the oldest.
        """
        made_ms = min((at for r in readings if (at := r.record.timestamp_ms) is not None), default=None)
        windows = {lane: [w for r in readings for w in r.cuts[lane].windows] for lane in self.answers}
        answered = ask_all(self.answers, windows, made_ms=made_ms)
        for found in answered.values():
            for step, seconds in found.seconds.items():
                watch.add(step, seconds)
        shares = {
            lane: found.split([len(reading.cuts[lane].windows) for reading in readings])
            for lane, found in answered.items()
        }
        sizes = [len(reading.document.text) for reading in readings]
        for lane, condenser in self.condensers.items():
            shares[lane] = condenser.condense(shares[lane], sizes, watch, made_ms=made_ms)
        return shares

    def outcome(self, reading: Reading, shares: Mapping[str, Share], assembler: Assembler) -> Enriched | Failed:
        """The record of one document, or why there is none."""
        for lane, share in shares.items():
            failed = [answer for answer in share.answers if isinstance(answer, ModelFailed)]
            if failed:
                return Failed(reading.record, self.blame(lane, failed, len(share.answers), reading.document.id))
        answers = {
            lane: [answer for answer in share.answers if not isinstance(answer, ModelFailed)]
            for lane, share in shares.items()
        }
        try:
            document = assembler.assemble(reading, answers)
        except Exception as error:  # noqa: BLE001  boundary of a record: its neighbours must not suffer
            document = Failure(FailedStep.ASSEMBLE, "internal_error", type(error).__name__, reading.document.id)
        if isinstance(document, Failure):
            return Failed(reading.record, document)
        count = sum(share.lookups for share in shares.values())
        hits = sum(share.cache_hits for share in shares.values())
        tokens = sum(len(window.tokens) for cut in reading.cuts.values() for window in cut.windows)
        return Enriched(reading.record, document, RunReceipt(count, hits, cache_lookups=count, tokens=tokens))

    def blame(self, lane: str, failed: Sequence[ModelFailed], windows: int, document_id: str) -> Failure:
        """Says which stages went without an answer, where others have one."""
        first = failed[0]
        detail = f"{len(failed)} of {windows} windows failed: {first.detail}"
        if len(self.answers) > 1:
            stages = ", ".join(stage.value for stage, own in self.assembler.lanes.items() if own.name == lane)
            detail = f"{stages} of model {lane}: {detail}"
        return Failure(FailedStep.MODEL, first.code, detail, document_id, first.attempts, first.smallest_failing)


def _stamped(outcome: Outcome, watch: StepTimes) -> Outcome:
    if not isinstance(outcome, Enriched):
        return outcome
    return replace(outcome, run=replace(outcome.run, seconds=watch.seconds()))
