"""A model folder: heads, tuned layers, configuration. Opens one with its trunk, checked by digest, and writes one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from schemas.base import StageName
from workers.errors import ConfigurationError
from workers.models.config import HEADS_FILE, ModelConfig, read_config, revision_of, write_config
from workers.models.encoder import BranchedEncoder, build_encoder
from workers.models.heads import Heads
from workers.models.served import check_gate
from workers.models.store import TrunkFiles, find_model, find_trunk, read_checked
from workers.models.tokenizer import SubwordTokenizer
from workers.settings import ModelSettings

_STAGE_OF_HEAD = {
    "entities": StageName.ENTITIES,
    "relations": StageName.RELATIONS,
    "salience": StageName.SUMMARY,
    "classifier": StageName.CLASSIFICATION,
}


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory, in fp32, and what proves which one it is."""

    config: ModelConfig
    tokenizer: SubwordTokenizer
    encoder: BranchedEncoder
    heads: Heads
    revision: str


def blank_model(config: ModelConfig, trunk: TrunkFiles) -> LoadedModel:
    """The trunk with untrained heads: where training starts."""
    encoder = build_encoder(_tensors(trunk.weights, "the trunk"), config.encoder)
    heads = Heads(encoder.width, config.heads, config.entity_types, config.relation_types, config.classifier)
    return LoadedModel(config, SubwordTokenizer(trunk.tokenizer), encoder, heads, revision_of(config))


def open_model(settings: ModelSettings, *, serving: bool = False) -> LoadedModel:
    """Raises ConfigurationError, one line, for a file that is missing, damaged or another than expected.

    `serving`: for more than to look at it; then a variant must have passed the gate.
    """
    folder = find_model(settings.name)
    config = read_config(folder)
    if serving:
        check_gate(folder, config)
    trunk = find_trunk(settings.trunk, weights_sha256=config.trunk_sha256, tokenizer_sha256=config.tokenizer_sha256)
    stored = _tensors(read_checked(folder / HEADS_FILE, config.heads_sha256), str(folder / HEADS_FILE))
    model = blank_model(config, trunk)
    both = nn.ModuleDict({"encoder": model.encoder, "heads": model.heads})
    state = both.state_dict()
    expected = {name: tuple(tensor.shape) for name, tensor in state.items() if _is_trained(name, config)}
    if expected != {name: tuple(tensor.shape) for name, tensor in stored.items()}:
        raise ConfigurationError(
            f"{folder / HEADS_FILE} does not fit its configuration: make it again with `enrich train`"
        )
    both.load_state_dict({name: stored.get(name, tensor) for name, tensor in state.items()})
    return model


def save_model(folder: Path, model: LoadedModel, config: ModelConfig) -> ModelConfig:
    """Writes what training changed, in fp16, and `config` with its digest. Returns that configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    both = nn.ModuleDict({"encoder": model.encoder, "heads": model.heads})
    data = safetensors.torch.save(
        {name: tensor.half().contiguous() for name, tensor in both.state_dict().items() if _is_trained(name, config)}
    )
    (folder / HEADS_FILE).write_bytes(data)
    config = config.model_copy(update={"heads_sha256": hashlib.sha256(data).hexdigest()})
    write_config(folder, config)
    return config


def _is_trained(name: str, config: ModelConfig) -> bool:
    """Whether a tensor is in the model's own file; the rest of the encoder is the trunk, which is not stored again."""
    unused = tuple(f"heads.{head}." for head, stage in _STAGE_OF_HEAD.items() if stage not in config.stages)
    if name.startswith(unused):
        return False
    return name.startswith(("heads.", *(f"encoder.{part}." for part in config.encoder.trained)))


def _tensors(data: bytes, what: str) -> dict[str, Tensor]:
    try:
        return {
            name: tensor.to(torch.float32) if tensor.is_floating_point() else tensor
            for name, tensor in safetensors.torch.load(data).items()
        }
    except SafetensorError as error:
        raise ConfigurationError(f"{what} is not a safetensors file: replace it") from error
