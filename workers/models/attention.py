"""Scaled dot-product attention, in the way that is fastest where it runs. Knows no layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

CHUNK_SCORES = 1 << 20  # numbers of query-key products at a time: they stay in the cores' caches


@dataclass(frozen=True, slots=True)
class EndToEnd:
    """Windows laid end to end in one row, T tokens in all and none of padding: each sees its own tokens."""

    bounds: Tensor  # [B + 1] int32: where each begins, and the end
    longest: int  # tokens
    positions: Tensor  # [T] of a token in its window


Reach = Tensor | EndToEnd  # what a token may look at; a tensor: [B, 1, 1, T], true where a token is


def use_kernels_for_any_shape() -> None:
    """For all models of the process, on GPUs. torch prefers cuDNN's attention on Hopper, which is compiled for each
    shape (github.com/pytorch/pytorch/pull/155958), and nearly every padded batch of a stream has one of its own.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)


def attend(query: Tensor, key: Tensor, value: Tensor, reach: Reach) -> Tensor:
    """query, key and value [B, heads, T, D] -> [B, heads, T, D]; of windows end to end B is 1.

    Written out where gradients are wanted: the backward pass of torch's fused kernel takes so long on CPUs that a whole
    training step is a third faster without it. Written out in chunks for bf16 on CPUs: there the fused kernel takes a
    third of a pass for a twentieth of its products, as it goes through them in pieces of 32 queries. The compiler gets
    the fused one, as chunks would be a graph for each length.
    """
    if isinstance(reach, EndToEnd):
        return _attend_end_to_end(query, key, value, reach)
    mask = reach
    if torch.is_grad_enabled():
        scores = (query @ key.transpose(-1, -2)) * query.shape[-1] ** -0.5
        return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=-1) @ value
    if query.device.type == "cpu" and query.dtype == torch.bfloat16 and not torch.compiler.is_compiling():
        return _attend_in_chunks(query, key, value, mask)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def _attend_end_to_end(query: Tensor, key: Tensor, value: Tensor, reach: EndToEnd) -> Tensor:
    """On CUDA in one kernel, FlashAttention's for lengths that vary (Dao et al. 2022); elsewhere window by window."""
    if query.device.type == "cuda":
        from torch.nn.attention.varlen import varlen_attn  # here: it brings torch's compiler, a second of every start

        queries, keys, values = (part[0].transpose(0, 1) for part in (query, key, value))  # [T, heads, D]
        mixed = varlen_attn(queries, keys, values, reach.bounds, reach.bounds, reach.longest, reach.longest)
        assert isinstance(mixed, Tensor)
        return mixed.transpose(0, 1)[None]
    cuts = [slice(*ends) for ends in pairwise(reach.bounds.tolist())]
    parts = [F.scaled_dot_product_attention(query[:, :, cut], key[:, :, cut], value[:, :, cut]) for cut in cuts]
    return torch.cat(parts, dim=2)


def goes_end_to_end(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the one kernel is there for this device and number format."""
    if device.type != "cuda" or dtype not in (torch.bfloat16, torch.float16):
        return False
    tried = torch.zeros(1, 2, 3, 32, device=device, dtype=dtype)
    reach = EndToEnd(torch.tensor([0, 1, 3], dtype=torch.int32, device=device), 2, torch.tensor([0, 0, 1]))
    try:
        _attend_end_to_end(tried, tried, tried, reach)
    except RuntimeError:
        return False
    return True


def _attend_in_chunks(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """One matrix per row and head; the bias is -inf where no token is. Few calls for each chunk: between two of them
    the interpreter is needed, and other threads may have it.

    The softmax is in fp32: torch's bf16 one takes three times as long where T is no multiple of 32.
    """
    rows, heads, length, width = query.shape
    bias = torch.zeros(mask.shape, dtype=query.dtype).masked_fill_(~mask, -torch.inf)
    bias = bias.expand(rows, heads, 1, length).reshape(rows * heads, 1, length)
    queries, keys, values = (part.flatten(0, 1) for part in (query, key, value))  # copies: pieces of one product
    mixed = torch.empty_like(query, memory_format=torch.contiguous_format)
    size = max(1, CHUNK_SCORES // (heads * length * length)) * heads
    chunks = (torch.split(part, size) for part in (bias, queries, keys.transpose(1, 2), values, mixed.flatten(0, 1)))
    for own, left, right, told, into in zip(*chunks, strict=True):
        scores = torch.baddbmm(own, left, right, alpha=width**-0.5)
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
        torch.bmm(weights, told, out=into)
    return mixed
