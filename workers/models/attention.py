"""Scaled dot-product attention, in the way that is fastest where it runs. Knows no layer."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

CHUNK_SCORES = 1 << 20  # numbers of query-key products at a time: they stay in the cores' caches


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """query, key and value [B, heads, T, D], mask [B, 1, 1, T] true where a token is -> [B, heads, T, D].

    Written out where gradients are wanted: the backward pass of torch's fused kernel takes so long on CPUs that a whole
    training step is a third faster without it. Written out in chunks for bf16 on CPUs: there the fused kernel takes a
    third of a pass for a twentieth of its products, as it goes through them in pieces of 32 queries. The compiler gets
    the fused one, as chunks would be a graph for each length.
    """
    if torch.is_grad_enabled():
        scores = (query @ key.transpose(-1, -2)) * query.shape[-1] ** -0.5
        return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=-1) @ value
    if query.device.type == "cpu" and query.dtype == torch.bfloat16 and not torch.compiler.is_compiling():
        return _attend_in_chunks(query, key, value, mask)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def _attend_in_chunks(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    rows, heads, length, _ = query.shape
    bias = torch.zeros(mask.shape, dtype=query.dtype).masked_fill_(~mask, -torch.inf)
    bias = bias.expand(rows, heads, 1, length).reshape(rows * heads, 1, length)
    size = max(1, CHUNK_SCORES // (heads * length * length))
    mixed = torch.empty_like(query, memory_format=torch.contiguous_format)
    for start in range(0, rows, size):
        chunk = slice(start, start + size)
        own = bias[start * heads : (start + size) * heads]
        mixed[chunk] = _attend_flat(query[chunk], key[chunk], value[chunk], own)
    return mixed


def _attend_flat(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """One matrix per row and head; bias [B x heads, 1, T] is -inf where no token is.

    The softmax is in fp32: torch's bf16 one takes three times as long where T is no multiple of 32.
    """
    queries, keys, values = (part.flatten(0, 1) for part in (query, key, value))  # copies: pieces of one product
    scores = torch.baddbmm(bias, queries, keys.transpose(1, 2), alpha=query.shape[-1] ** -0.5)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    return torch.bmm(weights, values).view(query.shape)
