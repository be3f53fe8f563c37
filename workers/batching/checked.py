"""A model whose every reply is checked, and a text of our own that tells a bad document from a broken model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Generic

from workers.batching.answers import BadAnswer, ModelFailed
from workers.batching.blame import Cause, attempt
from workers.errors import DeviceLost
from workers.models.base import Closable, PreparedT, RawT, Unanswered, WindowModel
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    RelationsResult,
    StageResult,
    SummaryResult,
    WindowAnswer,
    WrittenSummary,
)
from workers.telemetry.watch import Watch
from workers.text.pieces import Window

PROBE_TEXT = "All is well."


class CheckedModel(Generic[PreparedT, RawT]):
    """Raises BadAnswer where the model breaks its promise, and whatever the model raises. Each call is watched, but for
    forward passes elsewhere: endpoints have time-outs of their own."""

    def __init__(self, model: WindowModel[PreparedT, RawT], watch: Watch | None = None) -> None:
        self._model = model
        self._watch = watch or Watch()
        self._elsewhere = model.info.device is None

    def prepare(self, windows: Sequence[Window]) -> list[PreparedT]:
        with self._watched("prepare"):
            prepared = self._model.prepare(windows)
        if len(prepared) != len(windows):
            raise BadAnswer(f"{len(prepared)} prepared for {len(windows)} windows")
        if any(entry.area < 1 for entry in prepared):
            raise BadAnswer("a window without padded length")
        return prepared

    def forward(self, prepared: Sequence[PreparedT]) -> RawT:
        """Device thread only."""
        with nullcontext() if self._elsewhere else self._watched("forward"):
            return self._model.forward(prepared)

    def decode(self, raw: RawT, prepared: Sequence[PreparedT]) -> list[WindowAnswer | ModelFailed]:
        """One answer per item, with a usable result for each stage; or the model's own word that it has none."""
        with self._watched("decode"):
            answers = self._model.decode(raw, prepared)
        if len(answers) != len(prepared):
            raise BadAnswer(f"{len(answers)} answers for {len(prepared)} windows")
        return [self._checked(answer) for answer in answers]

    def _checked(self, answer: WindowAnswer | Unanswered) -> WindowAnswer | ModelFailed:
        if isinstance(answer, Unanswered):
            return ModelFailed(answer.code, answer.detail, answer.attempts, smallest_failing=1)
        for stage in self._model.stages:
            if stage not in answer:
                raise BadAnswer(f"no {stage.value} in an answer")
            if not all(map(math.isfinite, _scores(answer[stage]))):
                raise BadAnswer(f"a score of {stage.value} is not a number")
        return answer

    def close(self) -> None:
        """End the forward pass under way, if the model can."""
        if isinstance(self._model, Closable):
            self._model.close()

    def run(self, prepared: Sequence[PreparedT]) -> list[WindowAnswer | ModelFailed]:
        """Forward and decode in one go. Device thread only."""
        return self.decode(self.forward(prepared), prepared)

    def require_preparing(self) -> None:
        """DeviceLost if it cannot even prepare a text of our own."""
        self._require(lambda: self.prepare([self.probe()]))

    def require_answering(self) -> None:
        """DeviceLost if it cannot even answer a text of our own. Device thread only."""
        self._require(lambda: self.run(self.prepare([self.probe()])))

    def probe(self) -> Window:
        """A text of our own that no model has a reason to fail on."""
        tokens = self._model.tokenize([PROBE_TEXT])[0]
        return Window(text=PROBE_TEXT, start=0, sentences=((0, len(PROBE_TEXT)),), tokens=tokens)

    def _watched(self, step: str) -> AbstractContextManager[None]:
        return self._watch.call(f"{step} of model {self._model.info.name}")

    @staticmethod
    def _require(probe: Callable[[], Sequence[object]]) -> None:
        outcome = attempt([PROBE_TEXT], lambda _: probe())
        if isinstance(outcome, Cause):
            raise DeviceLost(f"the model fails on every text: {outcome.detail}")


def _scores(result: StageResult) -> Sequence[float]:
    match result:
        case EntitiesResult():
            return [entity.score for entity in result.entities]
        case RelationsResult():
            return [*(e.score for e in result.entities), *(r.score for r in result.relations)]
        case ClassificationResult():
            return result.scores
        case SummaryResult():
            return result.salience
        case WrittenSummary():
            return ()
