"""An encoder made ready to run: on its device, in its number format, compiled if that is asked for."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from workers.errors import ConfigurationError
from workers.models.attention import Reach, goes_end_to_end
from workers.models.compiled import compile_encoder
from workers.models.config import ModelConfig
from workers.models.encoder import BranchedEncoder
from workers.models.packed import pack_linears
from workers.models.precision import DTYPES, choose_precision
from workers.models.quantized import quantise_linears, require_int8
from workers.settings import ModelSettings


class Encoder(Protocol):
    """What a pass needs of an encoder; see `encoder.BranchedEncoder` for shapes."""

    def read_lower(self, ids: Tensor, reach: Reach, shapes: Tensor) -> Tensor: ...

    def read_plain(self, hidden: Tensor, reach: Reach) -> Tensor: ...

    def read_tuned(self, hidden: Tensor, reach: Reach, shapes: Tensor) -> Tensor: ...


def ready_encoder(
    encoder: BranchedEncoder, config: ModelConfig, settings: ModelSettings, device: torch.device
) -> tuple[Encoder, str]:
    """The encoder, changed in place, and the name of how it computes, for cache keys and receipts.

    Raises ConfigurationError for a way to compute that the model was not measured in, or that cannot run here.
    """
    encoder.to(device).eval()
    if runs_in_int8(config, settings):
        require_int8(device)
        quantise_linears(encoder)
        name = "int8"
    else:
        assert settings.precision != "int8"
        name = choose_precision(settings.precision, device)
        encoder.to(dtype=DTYPES[name])
    if settings.compile:
        return compile_encoder(encoder), f"{name}+compiled"
    pack_linears(encoder)
    return encoder, name


def pads(settings: ModelSettings, precision: str, device: torch.device) -> bool:
    """Whether the windows of a pass are padded to one length. `precision` as `ready_encoder` names it.

    Raises ConfigurationError for a compiled encoder that should not: it has one graph, for padded ones.
    """
    if settings.padding == "auto":
        return not any(name == precision and goes_end_to_end(device, dtype) for name, dtype in DTYPES.items())
    if settings.padding == "never" and settings.compile:
        raise ConfigurationError(
            "model.padding=never, but model.compile=true needs padding: use auto, or compile=false"
        )
    return settings.padding == "always"


def runs_in_int8(config: ModelConfig, settings: ModelSettings) -> bool:
    """Only a variant made for int8 runs in it, and in nothing else: its gate record speaks for no other numbers."""
    if config.precision == "int8" and settings.precision not in ("auto", "int8"):
        raise ConfigurationError(
            f"model.precision={settings.precision}, but {config.name} is a variant for int8: use auto, or its parent"
        )
    if settings.precision == "int8" and config.precision != "int8":
        raise ConfigurationError(
            f"model.precision=int8, but {config.name} was not measured in it: make a variant with `enrich optimize "
            "--precision int8`, let it pass `enrich evaluate --gate`, and name that"
        )
    return config.precision == "int8"
