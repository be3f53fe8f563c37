"""A model of a few thousand weights with the real tokenizer: everything but the answers is like the default model."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import safetensors.torch
import torch

from schemas.base import StageName
from workers.models.config import EncoderShape, HeadShape, ModelConfig, RelationType
from workers.models.folder import LoadedModel, blank_model, save_model
from workers.models.shared import SharedEncoderModel
from workers.models.store import TrunkFiles, find_trunk
from workers.settings import ModelSettings
from workers.stages.results import StageResult
from workers.text.pieces import Window

torch.set_num_threads(1)  # two threads wait for each other on a busy machine: 20 times slower for models this small

WIDTH, INNER, LAYERS = 32, 48, 4
ENTITY_TYPES = ("PER", "LOC")
RELATION_TYPES = (
    RelationType(name="lives_in", heads=("PER",), tails=("LOC",)),
    RelationType(name="knows", heads=("PER",), tails=("PER",), symmetric=True),
)
LABELS = {"sport": "Sport: matches and teams.", "business": "Business: companies and markets."}


@cache
def tiny_trunk() -> TrunkFiles:
    """Random weights under transformers' names, with the vocabulary of the real tokenizer."""
    generator = torch.Generator().manual_seed(1)

    def weights(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator) * 0.2

    state = {
        "embeddings.word_embeddings.weight": weights(30_522, WIDTH),
        "embeddings.position_embeddings.weight": weights(512, WIDTH),
        "embeddings.token_type_embeddings.weight": weights(2, WIDTH),
        **_norm("embeddings.LayerNorm"),
    }
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}."
        sizes = {
            **{f"attention.self.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")},
            "attention.output.dense": (WIDTH, WIDTH),
            "intermediate.dense": (INNER, WIDTH),
            "output.dense": (WIDTH, INNER),
        }
        for name, size in sizes.items():
            state |= {f"{layer}{name}.weight": weights(*size), f"{layer}{name}.bias": weights(size[0])}
        state |= _norm(f"{layer}attention.output.LayerNorm") | _norm(f"{layer}output.LayerNorm")
    return TrunkFiles(weights=safetensors.torch.save(state), tokenizer=find_trunk().tokenizer)


def _norm(name: str) -> dict[str, torch.Tensor]:
    return {f"{name}.weight": torch.ones(WIDTH), f"{name}.bias": torch.zeros(WIDTH)}


def tiny_config() -> ModelConfig:
    trunk = tiny_trunk()
    return ModelConfig(
        name="tiny",
        trunk_sha256=hashlib.sha256(trunk.weights).hexdigest(),
        tokenizer_sha256=hashlib.sha256(trunk.tokenizer).hexdigest(),
        heads_sha256="",
        encoder=EncoderShape(layers=LAYERS, shared_layers=2, attention_heads=4),
        heads=HeadShape(relation_width=16, salience_width=16, neighbours=4),
        entity_types=ENTITY_TYPES,
        relation_types=RELATION_TYPES,
    )


def tiny_loaded() -> LoadedModel:
    """Untrained, so that it finds entities of all types all over: good for laws, useless for anything else."""
    torch.manual_seed(2)
    return blank_model(tiny_config(), tiny_trunk())


def tiny_model() -> SharedEncoderModel:
    return SharedEncoderModel(tiny_loaded(), labels=LABELS, settings=ModelSettings(precision="fp32", device="cpu"))


def write_tiny(folder: Path) -> ModelSettings:
    """The tiny model and its trunk as folders; the settings that open it."""
    model = tiny_loaded()
    save_model(folder / "model", model, model.config)
    (folder / "trunk").mkdir()
    (folder / "trunk" / "model.safetensors").write_bytes(tiny_trunk().weights)
    (folder / "trunk" / "tokenizer.json").write_bytes(tiny_trunk().tokenizer)
    return ModelSettings(name=str(folder / "model"), trunk=folder / "trunk", precision="fp32", device="cpu")


def window_of(model: SharedEncoderModel, text: str, sentences: tuple[tuple[int, int], ...] | None = None) -> Window:
    """The start of a text that fits into one window."""
    tokens = model.tokenize([text])[0]
    if len(tokens) > model.max_window_tokens:
        text = text[: int(tokens.starts[model.max_window_tokens])]
        tokens = tokens.between(0, len(text))
    return Window(text, 0, sentences if sentences is not None else ((0, len(text)),), tokens)


def answers(model: SharedEncoderModel, texts: list[str]) -> list[dict[StageName, StageResult]]:
    """Each text alone."""
    found: list[dict[StageName, StageResult]] = []
    for text in texts:
        batch = model.prepare([window_of(model, text)])
        found += [dict(answer) for answer in model.decode(model.forward(batch), batch)]
    return found
