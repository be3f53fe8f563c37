"""An encoder through torch.compile: loops fused into C++ once at the start, nothing compiled while texts wait.

One graph serves all batch sizes and lengths. Costs a compiler on the machine and minutes of each start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workers.errors import ConfigurationError
from workers.models.attention import Reach
from workers.models.encoder import BranchedEncoder, attention_mask

FEWEST_ROWS = 2  # the compiler makes other code for one row, whose bits might be others
_WARM_UP = (5, 80)  # windows and tokens: unlike each other and any width, or the compiler takes them to be one number

Pass = Callable[..., Tensor]


@dataclass(frozen=True, slots=True)
class CompiledEncoder:
    """The three passes of a `BranchedEncoder`, compiled. Bits of a window do not depend on its batch."""

    lower: Pass
    plain: Pass
    tuned: Pass

    def read_lower(self, ids: Tensor, reach: Reach, shapes: Tensor) -> Tensor:
        return _enough_rows(self.lower, ids, _mask(reach), shapes)

    def read_plain(self, hidden: Tensor, reach: Reach) -> Tensor:
        return _enough_rows(self.plain, hidden, _mask(reach))

    def read_tuned(self, hidden: Tensor, reach: Reach, shapes: Tensor) -> Tensor:
        return _enough_rows(self.tuned, hidden, _mask(reach), shapes)


def _mask(reach: Reach) -> Tensor:
    assert isinstance(reach, Tensor), "compiled for padded windows"
    return reach


def _enough_rows(run: Pass, *inputs: Tensor) -> Tensor:
    """A lone window is run beside a copy of itself."""
    if len(inputs[0]) >= FEWEST_ROWS:
        return run(*inputs)
    return run(*(tensor.expand(FEWEST_ROWS, *tensor.shape[1:]).contiguous() for tensor in inputs))[: len(inputs[0])]


@torch.inference_mode()
def compile_encoder(encoder: BranchedEncoder, *, backend: str | Callable[..., Any] = "inductor") -> CompiledEncoder:
    """Compiled, run, and held against itself. Raises ConfigurationError where there is no compiler, or it fails.

    The compiler's files lie in a folder of their own and are gone afterwards: a half-written one, left by a start that
    was killed, would break every later start, and nobody else's files are loaded. It starts no processes of its own.
    """
    import torch._inductor.config as options  # takes a second; only those who compile wait for it
    from torch._inductor.utils import fresh_cache

    compiled = CompiledEncoder(
        lower=torch.compile(encoder.read_lower, dynamic=True, backend=backend),
        plain=torch.compile(encoder.read_plain, dynamic=True, backend=backend),
        tuned=torch.compile(encoder.read_tuned, dynamic=True, backend=backend),
    )
    try:
        with fresh_cache(), options.patch(compile_threads=1):
            steady = _is_steady(compiled, encoder)
    except Exception as error:  # the compiler raises whatever its parts raise
        raise ConfigurationError(
            f"model.compile=true, but compiling failed ({type(error).__name__}): install g++, make the folder for "
            "temporary files writable, or set model.compile=false"
        ) from error
    if not steady:
        raise ConfigurationError(
            "model.compile=true, but compiled on this machine the answer for a text depends on its neighbours, which "
            "the cache cannot bear: set model.compile=false"
        )
    return compiled


def _is_steady(compiled: CompiledEncoder, encoder: BranchedEncoder) -> bool:
    """Whether windows have the same bits together, alone, and in twos. The first run is the one that compiles."""
    device = encoder.words.weight.device
    rows, area = _WARM_UP
    ids = torch.arange(rows * area, device=device).view(rows, area) % encoder.words.num_embeddings
    shapes = ids % encoder.case.num_embeddings
    mask = attention_mask(torch.arange(area - rows, area, device=device), area)

    def run(chosen: slice) -> tuple[Tensor, ...]:
        lower = compiled.read_lower(ids[chosen], mask[chosen], shapes[chosen])
        tuned = compiled.read_tuned(lower, mask[chosen], shapes[chosen])
        return lower, compiled.read_plain(lower, mask[chosen]), tuned

    together = run(slice(0, rows))
    parts = (slice(0, 1), slice(1, 3), slice(rows - 1, rows))
    return all(torch.equal(whole[part], own) for part in parts for whole, own in zip(together, run(part), strict=True))
