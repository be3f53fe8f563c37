"""Which number format is faster on this machine, found by running layers of the encoder's size in both.

Instructions alone do not tell: with avx512_bf16 and no AMX, bf16 was measured at two thirds of fp32. What was found is
kept in a small file, so that a machine measures once per version of torch. Knows no model.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, PositiveFloat
from torch import nn

from workers.models.encoder import Layer, attention_mask
from workers.remembered import FOLDER, Remembered
from workers.settings import FrozenSettings

FloatFormat = Literal["fp32", "bf16"]
DTYPES: Mapping[FloatFormat, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}

MARGIN = 1.2  # times as fast the unusual format must be: two like machines of a group should not differ by chance
BOX_S = 1.0  # about the longest that measuring takes
LEAST_ROUNDS = 3
ROUNDS = 9
MEMORY = FOLDER / "precision.json"
_WIDTH, _INNER, _HEADS, _LAYERS = 384, 1_536, 12, 2  # two layers of the default model
_WINDOWS, _TOKENS = 8, 64


class Verdict(FrozenSettings):
    """The format for a machine, and the speeds that speak for it. Without speeds it is the usual one."""

    format: FloatFormat
    tokens_per_s: dict[FloatFormat, PositiveFloat] = Field(default_factory=dict)

    def describe(self) -> str:
        if not self.tokens_per_s:
            return f"{self.format}, by the instructions of the device"
        speeds = ", ".join(f"{name} {speed:,.0f}" for name, speed in sorted(self.tokens_per_s.items()))
        return f"{self.format}, by measurement (tokens/s of {_LAYERS} layers on one batch: {speeds})"


def decide(usual: FloatFormat, tokens_per_s: Mapping[FloatFormat, float]) -> FloatFormat:
    """The usual format, unless another one is faster by MARGIN."""
    best = max(tokens_per_s, key=lambda name: (tokens_per_s[name], name == usual), default=usual)
    return best if tokens_per_s and tokens_per_s[best] >= MARGIN * tokens_per_s.get(usual, 0.0) else usual


def verdict_for(usual: FloatFormat, *, memory: Path = MEMORY, clock: Callable[[], float] = time.thread_time) -> Verdict:
    """For the CPU: as remembered, else as measured now. `usual` is what the instructions speak for."""

    def measured() -> Verdict:
        speeds = measure(clock=clock)
        return Verdict(format=decide(usual, speeds), tokens_per_s=speeds)

    try:
        return Remembered(memory, Verdict).get_or_measure(machine_key(), measured)
    except (RuntimeError, ArithmeticError):  # what cannot be measured is not a reason not to start
        return Verdict(format=usual)


@torch.inference_mode()
def measure(*, clock: Callable[[], float] = time.thread_time) -> dict[FloatFormat, float]:
    """Tokens a second in each format, from the quickest of some rounds, turn by turn.

    The clock counts this thread's own time, so that a busy machine slows neither down. About a second at the most.
    """
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(_WINDOWS, _TOKENS, _WIDTH, generator=generator)
    mask = attention_mask(torch.full((_WINDOWS,), _TOKENS), _TOKENS)
    runs: dict[FloatFormat, Callable[[], object]] = {}
    for name, dtype in DTYPES.items():
        layers = nn.ModuleList(Layer(_WIDTH, _INNER, _HEADS, 1e-12) for _ in range(_LAYERS)).to(dtype).eval()
        runs[name] = _pass_through(layers, hidden.to(dtype), mask)
    quickest: dict[FloatFormat, float] = {}
    started_s = clock()
    for number in range(ROUNDS + 1):
        for name, run in runs.items():
            before_s = clock()
            run()
            if number:  # the first round warms up
                quickest[name] = min(quickest.get(name, float("inf")), clock() - before_s)
        if number >= LEAST_ROUNDS and clock() - started_s > BOX_S:
            break
    return {name: _WINDOWS * _TOKENS / seconds for name, seconds in quickest.items()}


def _pass_through(layers: nn.ModuleList, hidden: torch.Tensor, mask: torch.Tensor) -> Callable[[], object]:
    def run() -> torch.Tensor:
        state = hidden
        for layer in layers:
            state = layer(state, mask)
        return state

    return run


def machine_key() -> str:
    """Of everything that may change which format is faster. Tells nothing of the machine to who reads it."""
    parts = (
        torch.__version__,
        torch.backends.cpu.get_cpu_capability(),
        platform.machine(),
        _processor(),
        torch.get_num_threads(),
        torch.cpu._is_amx_tile_supported(),
        torch.cpu._is_avx512_bf16_supported(),
        [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("model name")), "")
