"""How fast this machine multiplies matrices of the model's own sizes, in its number format, on its device.

A floating point operation is one multiplication or one addition.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from benchmarks.ceiling import Batch
from workers.models.encoder import BranchedEncoder, Layer
from workers.models.folder import open_model
from workers.models.precision import DTYPES, choose_device
from workers.settings import Settings


@dataclass(frozen=True, slots=True)
class Product:
    """`[tokens, inner] @ [inner, outer]`, so often in one pass."""

    inner: int
    outer: int
    count: int

    @property
    def operations(self) -> int:
        """Per token and pass."""
        return 2 * self.inner * self.outer * self.count


@dataclass(frozen=True, slots=True)
class Shape:
    """What a pass of the model multiplies."""

    products: tuple[Product, ...]
    layers: int
    width: int

    def operations(self, batches: Iterable[Batch]) -> int:
        """Of these batches, padding included, attention too; what is no matrix product is not counted."""
        linear = sum(product.operations for product in self.products)
        return sum(item.area * (linear + self.layers * 4 * item.area * self.width) for b in batches for item in b)


def shape_of(settings: Settings) -> Shape:
    """Of the default model."""
    return shape_of_encoder(open_model(settings.model).encoder)


def shape_of_encoder(encoder: BranchedEncoder) -> Shape:
    layers = [layer for part in (encoder.lower, encoder.plain, encoder.tuned) for layer in part]
    first = layers[0]
    assert isinstance(first, Layer)
    linears: Sequence[nn.Linear] = (first.qkv, first.out, first.up, first.down)
    products = tuple(Product(linear.in_features, linear.out_features, len(layers)) for linear in linears)
    return Shape(products, len(layers), encoder.width)


class Multiplier:
    """Repeats the products of one pass, weights and inputs in place."""

    def __init__(self, shape: Shape, *, tokens: int, precision: str, device: str) -> None:
        """`precision` as in a model's info; int8 and compiled variants are held against the format they come from."""
        self._device = choose_device(device)
        dtype = DTYPES["bf16"] if precision.startswith("bf16") else DTYPES["fp32"]
        generator = torch.Generator().manual_seed(0)

        def made(*size: int) -> torch.Tensor:
            return torch.randn(*size, generator=generator).to(self._device, dtype)

        self._pairs = [(made(tokens, p.inner), made(p.outer, p.inner), p.count) for p in shape.products]
        self._operations = tokens * sum(product.operations for product in shape.products)

    @torch.inference_mode()
    def operations_per_s(self, *, at_least_s: float) -> float:
        """Over as many passes as fill that time."""
        done, started_s = 0, time.perf_counter()
        while True:
            for inputs, weights, count in self._pairs:
                for _ in range(count):
                    F.linear(inputs, weights)
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)
            done += self._operations
            if (spent_s := time.perf_counter() - started_s) >= at_least_s:
                return done / spent_s
