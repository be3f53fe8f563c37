"""Labels from any transformers model that gives a text one of its own labels, or several."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import AutoModelForSequenceClassification

from schemas.base import StageName
from workers.errors import ConfigurationError
from workers.models.adapters.checkpoint import Checkpoint, open_checkpoint, revision_with
from workers.models.adapters.encoding import Row
from workers.models.adapters.rows import Logits, PreparedRows, RowModel, pieces, rounded, weighted_mean
from workers.models.base import ModelInfo
from workers.settings import SequenceClassificationModel
from workers.stages.results import ClassificationResult, WindowAnswer
from workers.text.pieces import Window

CODE_VERSION = "1"
SEVERAL = "multi_label_classification"  # as transformers calls them
A_NUMBER = "regression"


class SequenceClassifier(RowModel):
    """Give `forward` to one thread at a time. Raw scores are the model's logits."""

    def __init__(self, checkpoint: Checkpoint, spec: SequenceClassificationModel) -> None:
        independent = _independent(checkpoint, asked=spec.independent_labels)
        info = ModelInfo(
            name=checkpoint.name,
            revision=revision_with(checkpoint, CODE_VERSION, checkpoint.labels, independent),
            precision=checkpoint.precision,
            languages=frozenset(spec.languages),
            labels={StageName.CLASSIFICATION: checkpoint.labels},
            thresholds={StageName.CLASSIFICATION: {"temperature": 1.0}},
            independent_labels=independent,
            device=str(checkpoint.device),
        )
        room = checkpoint.max_tokens - checkpoint.encoder.one.size - 1
        super().__init__(checkpoint, info=info, stage=StageName.CLASSIFICATION, room=room)

    def rows_of(self, window: Window) -> list[Row]:
        ids, frame = window.tokens.ids, self._checkpoint.encoder.one
        cuts = pieces(len(ids), self.max_window_tokens)
        return [frame.around([ids[start:end]], first=start) for start, end in cuts]

    def answer(self, item: PreparedRows, logits: Sequence[Logits]) -> WindowAnswer:
        scores = rounded(weighted_mean(item, logits))
        return {StageName.CLASSIFICATION: ClassificationResult(scores, len(item.window.tokens))}


def load_sequence_classifier(spec: SequenceClassificationModel) -> SequenceClassifier:
    """Raises ConfigurationError, one line, for a checkpoint that cannot do it."""
    return SequenceClassifier(open_checkpoint(spec, AutoModelForSequenceClassification), spec)


def _independent(checkpoint: Checkpoint, *, asked: bool | None) -> bool:
    """Whether several labels may be true at once: what was asked for, else what the model says."""
    if checkpoint.problem == A_NUMBER:
        raise ConfigurationError(f"{checkpoint.name} gives a number, not labels (regression): name a classifier")
    if len(checkpoint.labels) == 1 and not asked:
        raise ConfigurationError(
            f"{checkpoint.name} has one label, which may be a number: set independent_labels: true if it is a label"
        )
    return checkpoint.problem == SEVERAL if asked is None else asked
