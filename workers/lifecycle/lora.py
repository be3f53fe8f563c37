"""Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685) of linear layers, merged after training."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class LowRank(nn.Module):
    """A frozen linear layer plus a trained change of rank `rank`, which is zero at first."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.empty(rank, base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., in] -> [..., out]"""
        changed: Tensor = self.base(inputs) + F.linear(F.linear(inputs, self.down), self.up)
        return changed

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The base with the change added to its weights: the same function at the old price."""
        self.base.weight += self.up @ self.down
        return self.base


def install(module: nn.Module, rank: int) -> None:
    """Every linear layer inside gets a low-rank change; all else of the module is frozen."""
    module.requires_grad_(False)
    for parent in list(module.modules()):
        if isinstance(parent, LowRank):
            continue
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, LowRank(child, rank))


def merge(module: nn.Module) -> None:
    """Takes the changes out again, into the weights."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LowRank):
                setattr(parent, name, child.merged())
