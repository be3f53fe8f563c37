"""Low-rank changes: none at first, few weights, and the same function once merged."""

from __future__ import annotations

import torch
from torch import nn

from workers.lifecycle.lora import LowRank, install, merge


def network() -> nn.Sequential:
    torch.manual_seed(4)
    return nn.Sequential(nn.Linear(6, 10), nn.GELU(), nn.Sequential(nn.Linear(10, 3), nn.LayerNorm(3)))


def test_it_changes_nothing_before_training_and_trains_little() -> None:
    plain, changed = network(), network()
    install(changed, 2)
    inputs = torch.randn(5, 6)
    assert torch.equal(plain(inputs), changed(inputs))
    trained = sum(p.numel() for p in changed.parameters() if p.requires_grad)
    assert trained == 2 * (6 + 10) + 2 * (10 + 3)


def test_a_merged_network_is_the_trained_function_with_the_old_layout() -> None:
    changed = network()
    install(changed, 2)
    for module in changed.modules():
        if isinstance(module, LowRank):
            nn.init.normal_(module.up)
    inputs = torch.randn(5, 6)
    wanted = changed(inputs)
    assert not torch.allclose(wanted, network()(inputs))
    merge(changed)
    assert changed.state_dict().keys() == network().state_dict().keys()
    torch.testing.assert_close(changed(inputs), wanted)
