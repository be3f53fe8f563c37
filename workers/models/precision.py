"""Which device and which number format a model runs on, from what the hardware has and how fast it is."""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch

from workers.cores import granted_cores
from workers.errors import ConfigurationError
from workers.models.measured import DTYPES, FloatFormat, Verdict, verdict_for

__all__ = [
    "DTYPES",
    "Precision",
    "auto_precision",
    "choose_device",
    "choose_precision",
    "default_threads",
    "use_threads",
]

Precision = FloatFormat


def choose_device(name: str, *, option: str = "model.device") -> torch.device:
    """`auto` is CUDA if there is one. Raises ConfigurationError for a device that is not there, naming the `option`."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigurationError(f"{option}={name} is not a device: use auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigurationError(f"{option}={name} is not supported: use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigurationError(
            f"{option}={name}, but torch sees {torch.cuda.device_count()} CUDA devices: use auto or cpu"
        )
    return device


def choose_precision(asked: Literal["auto", "fp32", "bf16"], device: torch.device) -> Precision:
    """`auto` is what `auto_precision` finds."""
    return auto_precision(device).format if asked == "auto" else asked


@cache
def auto_precision(device: torch.device) -> Verdict:
    """bf16 where the device has instructions for it, else fp32; on a CPU only if the other is not clearly faster."""
    if device.type == "cuda":
        return Verdict(format="bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32")
    return verdict_for("bf16" if _cpu_has_bf16() else "fp32")


def _cpu_has_bf16() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@cache
def default_threads() -> int:
    """Of one operation: as torch chooses by itself, but no more than the container has cores. To be asked before
    anybody has set another number."""
    return min(torch.get_num_threads(), granted_cores() or torch.get_num_threads())


def use_threads(threads: int) -> None:
    """Of one operation, for all models of the process; 0 is `default_threads`."""
    torch.set_num_threads(threads or default_threads())
