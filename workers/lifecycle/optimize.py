"""Makes a cheaper variant of a model: 8-bit numbers, or branches without their uppermost layers. Trains nothing.

A variant names the revision it was made from; it is served once `enrich evaluate --gate` found that it lost little.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from workers.errors import ConfigurationError
from workers.lifecycle.checkpoint import require_free
from workers.models.config import ModelConfig
from workers.models.encoder import BranchedEncoder
from workers.models.folder import LoadedModel, open_model, save_model
from workers.models.quantized import require_int8
from workers.models.store import find_model
from workers.settings import ModelSettings

CARD_FILE = "MODEL_CARD.md"


@dataclass(frozen=True, slots=True)
class Changes:
    """What a variant does otherwise than its parent. None: as the parent."""

    int8: bool = False
    plain_layers: int | None = None  # upper layers left of the branch of labels and summaries
    tuned_layers: int | None = None  # and of the one of entities and relations

    def name(self, parent: str) -> str:
        parts = [
            "int8" if self.int8 else "",
            f"p{self.plain_layers}" if self.plain_layers else "",
            f"t{self.tuned_layers}" if self.tuned_layers else "",
        ]
        return "-".join([parent, *filter(None, parts)])


def optimize(settings: ModelSettings, changes: Changes, *, out: Path) -> ModelConfig:
    """Writes the variant's folder. Raises ConfigurationError where nothing would change, or cannot."""
    require_free(out)
    if changes == Changes():
        raise ConfigurationError("nothing to change: give --precision int8, --plain-layers or --tuned-layers")
    if changes.int8:
        require_int8(torch.device("cpu"))
    parent = open_model(settings)
    shape = parent.config.encoder
    layers = {
        "plain_layers": _left("plain", changes.plain_layers, len(parent.encoder.plain)),
        "tuned_layers": _left("tuned", changes.tuned_layers, len(parent.encoder.tuned)),
    }
    kept = {name: count for name, count in layers.items() if count is not None}
    config = parent.config.model_copy(
        update={
            "name": changes.name(parent.config.name),
            "variant_of": parent.revision,
            "precision": "int8" if changes.int8 else parent.config.precision,
            "encoder": shape.model_copy(update=kept),
            "scores": {},  # they were the parent's
        }
    )
    _drop_layers(parent.encoder, changes)
    stored = save_model(out, LoadedModel(config, parent.tokenizer, parent.encoder, parent.heads, ""), config)
    _write_card(out, parent, stored, find_model(settings.name) / CARD_FILE)
    return stored


def _left(branch: str, asked: int | None, there: int) -> int | None:
    if asked is not None and not 0 < asked < there:
        raise ConfigurationError(
            f"--{branch}-layers={asked}, but that branch of the model has {there}: choose 1 to {there - 1}"
        )
    return asked


def _drop_layers(encoder: BranchedEncoder, changes: Changes) -> None:
    """The uppermost ones: those below do not know what is above them."""
    if changes.plain_layers is not None:
        encoder.plain = encoder.plain[: changes.plain_layers]
    if changes.tuned_layers is not None:
        encoder.tuned = encoder.tuned[: changes.tuned_layers]


def _write_card(out: Path, parent: LoadedModel, config: ModelConfig, card: Path) -> None:
    """The parent's card goes along: its data and licences are the variant's."""
    shape = config.encoder
    lines = [
        f"# {config.name}",
        "",
        f"Made from {parent.config.name}, revision `{parent.revision}`, by `enrich optimize`; nothing was trained.",
        "Its own figures are in `gate.json`, once `enrich evaluate --gate` has measured it. What follows is the",
        "parent's card; the scores in it are not this model's.",
        "",
        *(["Linear layers run in int8."] if config.precision == "int8" else []),
        *([f"Layers left of the branch of labels and summaries: {shape.plain_layers}."] if shape.plain_layers else []),
        *(
            [f"Layers left of the branch of entities and relations: {shape.tuned_layers}."]
            if shape.tuned_layers
            else []
        ),
        "",
    ]
    told = card.read_text(encoding="utf-8") if card.is_file() else ""
    (out / CARD_FILE).write_text("\n".join(lines) + ("\n---\n\n" + told if told else ""), encoding="utf-8")
