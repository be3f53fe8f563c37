"""Labels that nobody trained for: a model of natural language inference judges whether the text entails each of them.

Yin et al. 2019, arXiv:1909.00161. A window is one input per label, all in the same pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from transformers import AutoModelForSequenceClassification

from schemas.base import StageName
from workers.errors import ConfigurationError
from workers.models.adapters.checkpoint import Checkpoint, open_checkpoint, revision_with
from workers.models.adapters.encoding import Row
from workers.models.adapters.rows import LEAST_ROOM_TOKENS, Logits, PreparedRows, RowModel, pieces, rounded
from workers.models.base import ModelInfo
from workers.settings import ZeroShotModel
from workers.stages.results import ClassificationResult, WindowAnswer
from workers.text.pieces import Window

CODE_VERSION = "1"


class ZeroShotClassifier(RowModel):
    """Give `forward` to one thread at a time.

    Raw scores are logits of entailment; of `independent_labels` those against contradiction.
    """

    def __init__(self, checkpoint: Checkpoint, spec: ZeroShotModel, *, labels: Mapping[str, str]) -> None:
        hypotheses = [spec.hypothesis.format(label=name, description=text) for name, text in labels.items()]
        self._hypotheses = [tokens.ids for tokens in checkpoint.encoder.cut(hypotheses)]
        self._entailment, self._contradiction = _verdicts(checkpoint)
        self._independent = spec.independent_labels or len(labels) == 1  # one alone has nothing to compete with
        frame = checkpoint.encoder.two
        longest = max(map(len, self._hypotheses))
        room = checkpoint.max_tokens - frame.size - longest - 1
        if room < LEAST_ROOM_TOKENS:
            raise ConfigurationError(
                f"a hypothesis of {longest} tokens leaves too few of the {checkpoint.max_tokens} of {checkpoint.name}: "
                "shorten `hypothesis` or stages.classification.labels"
            )
        choices = (CODE_VERSION, checkpoint.labels, hypotheses, self._independent)
        info = ModelInfo(
            name=checkpoint.name,
            revision=revision_with(checkpoint, *choices),
            precision=checkpoint.precision,
            languages=frozenset(spec.languages),
            labels={StageName.CLASSIFICATION: tuple(labels)},
            thresholds={StageName.CLASSIFICATION: {"temperature": 1.0}},
            independent_labels=self._independent,
            device=str(checkpoint.device),
        )
        super().__init__(checkpoint, info=info, stage=StageName.CLASSIFICATION, room=room)

    def rows_of(self, window: Window) -> list[Row]:
        """Label by label within each part of the window."""
        ids, frame = window.tokens.ids, self._checkpoint.encoder.two
        cuts = pieces(len(ids), self.max_window_tokens)
        return [frame.around([ids[a:b], hypothesis], first=a) for a, b in cuts for hypothesis in self._hypotheses]

    def answer(self, item: PreparedRows, logits: Sequence[Logits]) -> WindowAnswer:
        said = np.asarray(logits, dtype=np.float64).reshape(-1, len(self._hypotheses), len(logits[0]))
        scores = said[:, :, self._entailment]  # [parts, labels]
        if self._independent:
            scores = scores - said[:, :, self._contradiction]
        weights = np.array([max(row.count, 1) for row in item.rows[:: len(self._hypotheses)]], dtype=np.float64)
        mean = weights @ scores / weights.sum()
        return {StageName.CLASSIFICATION: ClassificationResult(rounded(mean), len(item.window.tokens))}


def load_zero_shot(spec: ZeroShotModel, *, labels: Mapping[str, str]) -> ZeroShotClassifier:
    """Raises ConfigurationError, one line, for a checkpoint that cannot do it."""
    return ZeroShotClassifier(open_checkpoint(spec, AutoModelForSequenceClassification), spec, labels=labels)


def _verdicts(checkpoint: Checkpoint) -> tuple[int, int]:
    """The numbers of the labels that mean that the hypothesis follows, and that it does not."""
    lower = [label.lower() for label in checkpoint.labels]
    entailment = next((number for number, label in enumerate(lower) if label.startswith("entail")), None)
    if entailment is None or len(lower) < 2:
        raise ConfigurationError(
            f"no label of {checkpoint.name} ({', '.join(checkpoint.labels[:4])}) is called entailment: name a model of "
            "natural language inference"
        )
    against = next((number for number, label in enumerate(lower) if label.startswith("contra")), None)
    # Two labels, such as entailment and not_entailment: the other one.
    return entailment, (len(lower) - 1 if entailment == 0 else 0) if against is None else against
