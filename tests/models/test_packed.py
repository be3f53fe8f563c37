"""Packed layers and attention in chunks: the plain ones' numbers to rounding, and bits that are a row's own affair."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from tests.fakes.tiny_model import tiny_loaded
from workers.models import attention, packed
from workers.models.attention import attend
from workers.models.encoder import attention_mask
from workers.models.packed import PackedLinear, pack_linears

DTYPES = (torch.float32, torch.bfloat16)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
@torch.inference_mode()
def test_a_packed_layer_gives_the_layers_numbers(dtype: torch.dtype, bias: bool) -> None:
    layer = nn.Linear(96, 160, bias=bias).to(dtype)
    hidden = noise(3, 5, 96).to(dtype)
    torch.testing.assert_close(PackedLinear(layer)(hidden), layer(hidden))


@pytest.mark.parametrize("dtype", DTYPES)
@torch.inference_mode()
def test_the_bits_of_a_row_do_not_depend_on_the_rows_beside_it(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(384, 1_536), nn.Linear(1_536, 384)).to(dtype).eval()
    pack_linears(model)
    assert all(isinstance(layer, PackedLinear) for layer in model)
    rows = noise(700, 384).to(dtype)
    together = model(rows)
    for start, size in ((0, 1), (17, 1), (0, 24), (100, 320), (699, 1)):
        assert torch.equal(model(rows[start : start + size]), together[start : start + size])


def test_an_encoder_is_packed_throughout() -> None:
    encoder = tiny_loaded().encoder.eval()
    pack_linears(encoder)
    assert not [name for name, layer in encoder.named_modules() if isinstance(layer, nn.Linear)]


def test_a_kernel_that_looks_at_the_neighbours_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = PackedLinear.forward
    monkeypatch.setattr(PackedLinear, "forward", lambda layer, rows: plain(layer, rows) + 1e-3 * len(rows))
    model = nn.Sequential(nn.Linear(32, 32))
    pack_linears(model)
    assert isinstance(model[0], nn.Linear)


def test_layers_stay_as_they_are_where_torch_cannot_pack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_can_pack", lambda: False)
    model = nn.Sequential(nn.Linear(32, 32))
    pack_linears(model)
    assert isinstance(model[0], nn.Linear)


@pytest.mark.parametrize(("rows", "length"), [(1, 8), (5, 18), (7, 40), (3, 128), (2, 256)])
@pytest.mark.parametrize("chunk", [1, 1 << 16, 1 << 20])
@torch.inference_mode()
def test_attention_in_chunks_is_attention(rows: int, length: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a mask, and with bits that no chunk and no other row changes."""
    query, key, value = noise(rows, length, 3, 4, 32).permute(2, 0, 3, 1, 4)
    mask = attention_mask(torch.arange(length, length - rows, -1), length)
    halves = [part.bfloat16() for part in (query, key, value)]
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    whole = attend(halves[0], halves[1], halves[2], mask)
    torch.testing.assert_close(whole.float(), expected, atol=2e-2, rtol=2e-2)
    monkeypatch.setattr(attention, "CHUNK_SCORES", chunk)
    assert torch.equal(attend(halves[0], halves[1], halves[2], mask), whole)
    for row in range(rows):
        own = slice(row, row + 1)
        assert torch.equal(attend(halves[0][own], halves[1][own], halves[2][own], mask[own]), whole[own])
