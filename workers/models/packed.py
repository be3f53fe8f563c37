"""Linear layers whose weights lie as oneDNN's products read them. Only for CPUs; trains nothing.

A plain layer has its bf16 weights put in that order again in each pass, and its fp32 products made by another library,
which takes twice as long on AMD. The numbers are the same to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_TRIED_ROWS = 2_048  # as many as an ordinary batch has
_PARTS = (slice(0, 8), slice(8, 40), slice(40, 552), slice(2_047, 2_048))


class PackedLinear(nn.Module):
    """Stands in for a `nn.Linear`: the same shapes in and out, in the layer's own number format."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        # In the kernel's own order: no buffers, so that nothing moves or casts them.
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)
        self.offset = None if linear.bias is None else linear.bias.detach()

    def forward(self, hidden: Tensor) -> Tensor:
        """[..., K] -> [..., N]"""
        rows = hidden.reshape(-1, self.in_features)
        given = rows if len(rows) > 1 else rows.repeat(2, 1)  # a lone row has a kernel of its own, and other bits
        found: Tensor = torch.ops.mkldnn._linear_pointwise.default(given, self.packed, self.offset, "none", [], "")
        return found[: len(rows)].view(*hidden.shape[:-1], self.out_features)


@torch.inference_mode()
def pack_linears(module: nn.Module) -> None:
    """Replaces the linear layers inside, in place, where torch can pack them and a row's bits stay its own affair."""
    if not _can_pack():
        return
    steady: dict[tuple[int, int], bool] = {}
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and child.weight.device.type == "cpu":
                packed = PackedLinear(child)
                shape = (child.in_features, child.out_features)
                if shape not in steady:
                    steady[shape] = _is_steady(packed, child.weight.dtype)
                if steady[shape]:
                    setattr(parent, name, packed)


def _can_pack() -> bool:
    return torch.backends.mkldnn.is_available() and all(  # type: ignore[no-untyped-call]
        hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )


def _is_steady(layer: PackedLinear, dtype: torch.dtype) -> bool:
    """Whether rows have the same bits together, in fewer, and alone: other processors have other kernels."""
    rows = torch.linspace(-1, 1, _TRIED_ROWS * layer.in_features).sin().view(_TRIED_ROWS, -1).to(dtype)
    together = layer(rows)
    return all(torch.equal(together[part], layer(rows[part])) for part in _PARTS)
