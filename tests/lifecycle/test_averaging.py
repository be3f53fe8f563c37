"""The moving average: what it is the mean of, that it can be tried on and taken off, and that it can be stored."""

from __future__ import annotations

import torch
from torch import nn

from workers.lifecycle.averaging import MovingAverage


def module_at(value: float) -> nn.Linear:
    module = nn.Linear(2, 2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(value)
    return module


def put(module: nn.Module, value: float) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(value)


def test_it_stays_between_what_it_has_seen_and_follows_slowly() -> None:
    module = module_at(0.0)
    average = MovingAverage(module, decay=0.9)
    seen = []
    for _ in range(50):
        put(module, 1.0)
        average.update()
        with average.in_place():
            seen.append(float(module.weight.detach().mean()))
    assert seen == sorted(seen), "it comes nearer at every step"
    assert 0.85 < seen[0] < 1 - 1e-6, "the first step counts for much, the untrained weights for little"
    assert seen[-1] > 0.99
    put(module, 0.0)
    average.update()
    with average.in_place():
        assert abs(float(module.weight.detach().mean()) - 0.9 * seen[-1]) < 0.08, (
            "a later step moves it by a tenth or so"
        )


def test_the_weights_come_back_as_they_were() -> None:
    module = module_at(3.0)
    average = MovingAverage(module, decay=0.5)
    put(module, 5.0)
    average.update()
    before = module.weight.detach().clone()
    with average.in_place():
        assert not torch.equal(module.weight, before)
    assert torch.equal(module.weight, before)


def test_frozen_weights_are_not_averaged() -> None:
    module = module_at(1.0)
    module.bias.requires_grad_(False)
    assert {name for name in MovingAverage(module, decay=0.5).tensors() if name != "updates"} == {"weight"}


def test_a_stored_average_goes_on_in_the_same_bits() -> None:
    module = module_at(0.0)
    one, other = MovingAverage(module, decay=0.99), MovingAverage(module, decay=0.99)
    for value in (0.3, 0.7, 0.2):
        put(module, value)
        one.update()
    other.restore({name: tensor.clone() for name, tensor in one.tensors().items()})
    put(module, 0.11)
    one.update()
    other.update()
    assert all(torch.equal(tensor, other.tensors()[name]) for name, tensor in one.tensors().items())
