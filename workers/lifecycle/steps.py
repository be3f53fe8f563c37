"""One step of learning, the same for every loop: groups of parameters, the course of the rates, clipping."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import AdamW

Group = dict[str, object]


def rate_share(step: int, steps: int, *, warm_up: float) -> float:
    """Part of the full learning rate at a step: it rises over `warm_up` of the steps, then falls to zero."""
    warm = max(1, int(steps * warm_up))
    return min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))


def groups_of(parameters: Iterable[nn.Parameter], *, rate: float, decay: float) -> list[Group]:
    """Those that are learned, matrices with weight decay, biases and norms without. `rate` is the highest it gets."""
    learned = [parameter for parameter in parameters if parameter.requires_grad]
    return [
        {"params": [p for p in learned if p.ndim > 1], "full_rate": rate, "weight_decay": decay},
        {"params": [p for p in learned if p.ndim == 1], "full_rate": rate, "weight_decay": 0.0},
    ]


def adam(groups: Iterable[Group]) -> AdamW:
    """Over the groups that have parameters."""
    return AdamW([group for group in groups if group["params"]], fused=True)


def take_step(optimizer: AdamW, loss: torch.Tensor, *, share: float) -> None:
    """From a loss to changed weights: gradients, clipped to norm 1, at `share` of each group's full rate."""
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1.0)
    for group in optimizer.param_groups:
        group["lr"] = group["full_rate"] * share
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
