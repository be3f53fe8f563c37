"""Where a run stands, on disk: tensors as safetensors, the rest as JSON. Written whole or not at all; no pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.optim import Optimizer

from workers.errors import ConfigurationError
from workers.models.config import CONFIG_FILE

TENSORS_FILE = "checkpoint.safetensors"
_STATE_KEY = "state"


def require_free(out: Path) -> None:
    """Raises ConfigurationError if `out` already holds a model."""
    if (out / CONFIG_FILE).exists():
        raise ConfigurationError(f"{out} already holds a model: choose another --out")


def save_checkpoint(folder: Path, tensors: Mapping[str, Tensor], state: Mapping[str, object]) -> None:
    """One file, replaced in one step: a run that dies while writing leaves the checkpoint before."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TENSORS_FILE
    fresh = path.with_suffix(".new")
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    safetensors.torch.save_file(contiguous, fresh, metadata={_STATE_KEY: json.dumps(state)})
    os.replace(fresh, path)  # noqa: PTH105


def read_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, object]] | None:
    """Tensors and state, or None where there is none. Raises ConfigurationError for one that cannot be read."""
    path = folder / TENSORS_FILE
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {})[_STATE_KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118 - not a mapping
    except (SafetensorError, KeyError, ValueError) as error:
        raise ConfigurationError(f"{path} is not a checkpoint: delete it to start anew") from error


def drop_checkpoint(folder: Path) -> None:
    (folder / TENSORS_FILE).unlink(missing_ok=True)


def training_tensors(module: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """All that a step changes: weights, and the optimizer's memory of each parameter."""
    tensors = {f"weights.{name}": tensor for name, tensor in module.state_dict().items()}
    for number, values in optimizer.state_dict()["state"].items():
        for key, value in values.items():
            tensors[f"optimizer.{number}.{key}"] = torch.as_tensor(value)
    return tensors


def restore_training(module: nn.Module, optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts back what `training_tensors` took. Raises ConfigurationError if the checkpoint is of another model."""
    weights = {name.removeprefix("weights."): t for name, t in tensors.items() if name.startswith("weights.")}
    memory: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".")
            memory.setdefault(int(number), {})[key] = tensor
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ConfigurationError(
            "the checkpoint is of another model: delete it or use the recipe it began with"
        ) from error
    optimizer.load_state_dict({"state": memory, "param_groups": optimizer.state_dict()["param_groups"]})
