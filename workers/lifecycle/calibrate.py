"""What is fitted on held-out texts once the weights stand: temperatures first, then thresholds of calibrated scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schemas.base import StageName
from workers.lifecycle.devset import dev_examples, fit_temperatures, read_logits
from workers.lifecycle.gathering import Kept
from workers.lifecycle.thresholds import choose_entity_thresholds, choose_relation_thresholds
from workers.models.config import ModelConfig, write_config
from workers.models.folder import open_model
from workers.models.shared import SharedEncoderModel
from workers.settings import ModelSettings


def calibrate(folder: Path, config: ModelConfig, kept: Sequence[Kept], *, max_tokens: int) -> ModelConfig:
    """The configuration with temperatures and thresholds, also written to `folder`. Sees the weights as stored."""
    settings = ModelSettings(name=str(folder))
    model = open_model(settings)
    examples = dev_examples(model, kept, max_tokens=max_tokens)
    if not examples:
        return config
    logits = read_logits(model, examples)
    entity, relation = fit_temperatures(logits)
    types = choose_relation_thresholds(logits, config.relation_types, temperature=relation)
    config = config.model_copy(
        update={"entity_temperature": entity, "relation_temperature": relation, "relation_types": tuple(types)}
    )
    write_config(folder, config)
    product = SharedEncoderModel(open_model(settings), labels={}, stages=(StageName.ENTITIES,), settings=settings)
    config = config.model_copy(update={"entity_thresholds": choose_entity_thresholds(product, kept)})
    write_config(folder, config)
    return config
