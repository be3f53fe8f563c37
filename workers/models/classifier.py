"""Trained labels: the head that reads them off a window's vector, and which of them are offered."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from workers.errors import ConfigurationError
from workers.models.config import ModelConfig
from workers.settings import DEFAULT_LABELS
from workers.stages.results import REFUSE


class ClassifierHead(nn.Module):
    """One logit per label."""

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, labels)

    def forward(self, vectors: Tensor) -> Tensor:
        """Unit vectors [N, D] in fp32 -> logits [N, L]. For equal bits N must not vary: see `heads.pad_rows`."""
        logits: Tensor = self.out(vectors)
        return logits

    @torch.no_grad()
    def start_from(self, vectors: Tensor, labels: Tensor, *, sharpness: float) -> None:
        """First weights from examples, [N, D] and [N]: a logit is `sharpness` x the cosine with the label's mean."""
        sums = torch.zeros_like(self.out.weight).index_add_(0, labels, vectors)
        self.out.weight.copy_(sharpness * F.normalize(sums, dim=1))
        self.out.bias.zero_()


def offered_labels(config: ModelConfig, labels: Mapping[str, str]) -> tuple[str, ...]:
    """Those of the settings; of a model with trained labels all, or those of the settings if they were changed there.

    Raises ConfigurationError for a label that the model was not trained for.
    """
    if config.classifier is None:
        return tuple(labels)
    if not labels or labels == DEFAULT_LABELS:
        return config.classifier.labels
    unknown = sorted(set(labels) - set(config.classifier.labels))
    if unknown:
        raise ConfigurationError(
            f"stages.classification.labels has `{unknown[0]}`, for which model {config.name} was not trained: leave "
            "the setting out, or name some of the labels in the model's config.json"
        )
    return tuple(labels)


def refusal_of(config: ModelConfig) -> dict[str, float]:
    """The threshold below which no label is given, by its name in `ModelInfo.thresholds`; none if not trained."""
    shape = config.classifier
    return {} if shape is None else {f"{REFUSE}{shape.refuse_by}": shape.refuse_below}
