"""A moving average of the weights that a run trains: smoother than the last step's. Knows no task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

AVERAGE = "average."  # in front of its tensors' names in a checkpoint
_UPDATES = "updates"


def averaged(average: MovingAverage | None) -> AbstractContextManager[None]:
    """Inside, the module is what it would be if it were finished now."""
    return average.in_place() if average is not None else nullcontext()


def average_tensors(average: MovingAverage | None) -> dict[str, Tensor]:
    """For a checkpoint."""
    return {} if average is None else {AVERAGE + name: tensor for name, tensor in average.tensors().items()}


def restore_average(average: MovingAverage | None, tensors: Mapping[str, Tensor]) -> None:
    """From a checkpoint's tensors, whatever else is among them."""
    if average is not None:
        average.restore({n.removeprefix(AVERAGE): t for n, t in tensors.items() if n.startswith(AVERAGE)})


class MovingAverage:
    """Exponential mean of a module's trained parameters. `decay` is the part that stays at a step, 0 to 1."""

    def __init__(self, module: nn.Module, *, decay: float) -> None:
        self._live = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self._mean = {name: p.detach().clone() for name, p in self._live.items()}
        self._decay = decay
        self._updates = 0

    @torch.no_grad()
    def update(self) -> None:
        """After a step. The first steps count more: the mean of few steps must not hang on to the untrained weights."""
        self._updates += 1
        kept = min(self._decay, self._updates / (self._updates + 9))
        torch._foreach_lerp_(list(self._mean.values()), list(self._live.values()), 1 - kept)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The module runs on the averaged weights inside; not to be trained meanwhile."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def tensors(self) -> dict[str, Tensor]:
        """All that `restore` needs."""
        return {**self._mean, _UPDATES: torch.tensor(self._updates)}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Raises KeyError if `tensors` are of another module."""
        self._updates = int(tensors[_UPDATES])
        for name, mean in self._mean.items():
            mean.copy_(tensors[name])

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self._live.items():
            spare = parameter.detach().clone()
            parameter.copy_(self._mean[name])
            self._mean[name].copy_(spare)
