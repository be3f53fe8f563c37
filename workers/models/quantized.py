"""Linear layers in 8 bits: weights scaled per output, activations per row as they come. Only for CPUs; trains nothing.

A row's scale is made from that row alone, never from the whole tensor, and the products are summed as integers: the
answer for a window is the same bits whatever else is in its batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workers.errors import ConfigurationError

LIMIT = 127  # symmetric: -128 is not used
OFFSET = 128  # the kernel takes unsigned activations; this one stands for 0
CHUNK_NUMBERS = 1 << 17  # numbers quantised at a time, so that they stay in the cache of a core: twice as fast
_LEAST = 1e-30  # a scale of 0 would turn a row of zeros into not-a-number


def require_int8(device: torch.device) -> None:
    """Raises ConfigurationError where int8 cannot run, or would be wrong: without VNNI sums of products saturate."""
    if device.type != "cpu":
        raise ConfigurationError(f"model.precision=int8 is for CPUs, the device is {device}: use bf16 or fp32")
    if not hasattr(torch.ops.onednn, "qlinear_pointwise") or not torch.cpu._is_vnni_supported():
        raise ConfigurationError("model.precision=int8 needs a CPU with VNNI (8-bit products): use bf16 or fp32")


class Int8Linear(nn.Module):
    """Stands in for a `nn.Linear`: the same shapes in and out, fp32, with about 1 % of noise."""

    weight_scales: Tensor  # [N]
    bias: Tensor  # [N]

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        scales, weights = quantise_weights(linear.weight.detach().float())
        packed = torch.ops.onednn.qlinear_prepack(weights, None)
        bias = torch.zeros(len(scales)) if linear.bias is None else linear.bias.detach().float()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.packed = packed  # in the kernel's own order: no buffer, so that nothing moves or casts it
        self.register_buffer("weight_scales", scales)
        self.register_buffer("bias", bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """[..., K] -> [..., N]"""
        rows = hidden.reshape(-1, self.in_features)
        if torch.compiler.is_compiling():
            scales, quantised = _quantise_whole(rows)
            found = torch.addcmul(self.bias, _opaque_product(quantised, self.packed, self.weight_scales), scales)
        else:
            scales, quantised = quantise_rows(rows)
            summed = _product(quantised, self.packed, self.weight_scales)
            found = torch.addcmul(self.bias, summed, scales, out=summed)
        return found.view(*hidden.shape[:-1], self.out_features)


def _product(rows: Tensor, packed: Tensor, scales: Tensor) -> Tensor:
    """uint8 [M, K], packed weights, their scales [N] -> fp32 [M, N]; the rows' own scales are still to be applied."""
    zeros = torch.zeros(len(scales), dtype=torch.int64)
    found: Tensor = torch.ops.onednn.qlinear_pointwise(
        rows, 1.0, OFFSET, packed, scales, zeros, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return found


@torch.library.custom_op("enrich::int8_product", mutates_args=())
def _opaque_product(rows: Tensor, packed: Tensor, scales: Tensor) -> Tensor:
    """`_product` as one piece for torch.compile, whose own reading of the kernel wants frozen weights."""
    return _product(rows, packed, scales)


@_opaque_product.register_fake
def _(rows: Tensor, packed: Tensor, scales: Tensor) -> Tensor:
    return rows.new_empty(rows.shape[0], scales.shape[0], dtype=torch.float32)


def _quantise_whole(rows: Tensor) -> tuple[Tensor, Tensor]:
    """As `quantise_rows`, for the compiler to make one loop of."""
    scales = rows.abs().amax(dim=1, keepdim=True).clamp(min=_LEAST) / LIMIT
    return scales, (torch.round(rows * scales.reciprocal()) + OFFSET).to(torch.uint8)


def quantise_weights(weights: Tensor) -> tuple[Tensor, Tensor]:
    """[N, K] -> scales [N] and int8 [N, K]."""
    scales = weights.abs().amax(dim=1).clamp(min=_LEAST) / LIMIT
    return scales, torch.round(weights / scales[:, None]).to(torch.int8)


def quantise_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """[M, K] -> scales [M, 1] and uint8 [M, K], OFFSET standing for 0. A row that is not finite has such a scale."""
    count, width = rows.shape
    scales, quantised = rows.new_empty(count, 1), torch.empty(count, width, dtype=torch.int8)
    step = max(1, CHUNK_NUMBERS // width)
    for start in range(0, count, step):
        chunk, scale = rows[start : start + step], scales[start : start + step]
        highest, lowest = chunk.amax(dim=1, keepdim=True), chunk.amin(dim=1, keepdim=True)
        torch.maximum(highest, lowest.neg_(), out=scale).clamp_(min=_LEAST).div_(LIMIT)
        quantised[start : start + step] = torch.mul(chunk, scale.reciprocal()).round_()
    return scales, quantised.view(torch.uint8).bitwise_xor_(OFFSET)


def quantise_linears(module: nn.Module) -> None:
    """Replaces every linear layer inside, in place."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child))
        else:
            quantise_linears(child)
