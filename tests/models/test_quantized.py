"""Int8: close to the layers it stands in for, and blind to a row's neighbours, bit for bit."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.fakes.tiny_model import LABELS, answers, tiny_loaded, window_of
from workers.errors import ConfigurationError
from workers.models.quantized import (
    CHUNK_NUMBERS,
    LIMIT,
    OFFSET,
    Int8Linear,
    quantise_linears,
    quantise_rows,
    quantise_weights,
    require_int8,
)
from workers.models.shared import SharedEncoderModel
from workers.settings import ModelSettings

pytestmark = pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="a CPU without 8-bit products")


def int8_model() -> SharedEncoderModel:
    loaded = tiny_loaded()
    quantise_linears(loaded.encoder)  # a variant's way, without its folder
    return SharedEncoderModel(loaded, labels=LABELS, settings=ModelSettings(precision="fp32", device="cpu"))


@given(seed=st.integers(0, 1_000), width=st.sampled_from([16, 384, 1_536]), size=st.sampled_from([1e-3, 1.0, 1e3]))
@settings(max_examples=25, deadline=None)
def test_a_row_is_its_scale_times_its_integers_to_half_a_step(seed: int, width: int, size: float) -> None:
    rows = torch.randn(7, width, generator=torch.Generator().manual_seed(seed)) * size
    scales, quantised = quantise_rows(rows)
    again = (quantised.float() - OFFSET) * scales
    assert bool(((again - rows).abs() <= 0.501 * scales).all())
    assert quantised.min() >= OFFSET - LIMIT


def test_a_row_of_zeros_stays_zeros_and_what_is_not_finite_shows() -> None:
    rows = torch.stack([torch.zeros(32), torch.full((32,), torch.nan), torch.full((32,), torch.inf)])
    scales, quantised = quantise_rows(rows)
    assert bool((quantised[0] == OFFSET).all())
    assert torch.isfinite(scales).flatten().tolist() == [True, False, False]


@torch.inference_mode()
def test_a_layer_says_nearly_what_the_whole_numbers_say() -> None:
    torch.manual_seed(0)
    linear, rows = nn.Linear(384, 96), torch.randn(4, 16, 384)
    wanted, found = linear(rows), Int8Linear(linear)(rows)
    assert found.shape == wanted.shape
    assert float((found - wanted).norm() / wanted.norm()) < 0.02


@torch.inference_mode()
def test_the_product_is_exact_in_integers() -> None:
    torch.manual_seed(0)
    linear, rows = nn.Linear(48, 24, bias=False), torch.randn(9, 48)
    scales, quantised = quantise_rows(rows)
    weight_scales, weights = quantise_weights(linear.weight)
    summed = (quantised.long() - OFFSET) @ weights.long().T
    torch.testing.assert_close(Int8Linear(linear)(rows), summed.float() * weight_scales * scales, rtol=1e-6, atol=0)


@torch.inference_mode()
def test_a_row_has_the_same_bits_alone_and_in_any_company() -> None:
    torch.manual_seed(0)
    layer = Int8Linear(nn.Linear(384, 64))
    count = CHUNK_NUMBERS // 384 + 40  # more than are quantised at a time
    rows = torch.randn(count, 384) * torch.logspace(-3, 3, count)[:, None]  # a scale of the whole would drown most
    whole = layer(rows)
    for first, last in ((0, 1), (5, 8), (count - 1, count), (300, 370), (0, count - 1)):
        assert torch.equal(layer(rows[first:last]), whole[first:last])


MODEL = int8_model() if torch.cpu._is_vnni_supported() else None


@given(st.lists(st.text(alphabet="abc De.,中", max_size=60), min_size=2, max_size=5))
@settings(max_examples=15, deadline=None)
def test_a_window_gets_the_same_answer_alone_and_in_company(texts: list[str]) -> None:
    model = MODEL
    assert model is not None
    prepared = model.prepare([window_of(model, text) for text in texts])
    alone = answers(model, texts)
    for area in {item.area for item in prepared}:
        numbers = [number for number, item in enumerate(prepared) if item.area == area]
        random.Random(0).shuffle(numbers)
        batch = [prepared[number] for number in numbers]
        for number, answer in zip(numbers, model.decode(model.forward(batch), batch), strict=True):
            assert dict(answer) == alone[number]


def test_every_linear_layer_of_the_encoder_is_replaced_once() -> None:
    encoder = tiny_loaded().encoder
    quantise_linears(encoder)
    kinds = [type(module) for module in encoder.modules()]
    assert nn.Linear not in kinds
    assert kinds.count(Int8Linear) == 4 * (2 + 2 + 2)
    before = list(encoder.modules())
    quantise_linears(encoder)
    assert list(encoder.modules()) == before


def test_hidden_states_that_are_not_numbers_are_still_an_error() -> None:
    loaded = tiny_loaded()
    torch.nn.init.constant_(loaded.encoder.norm.weight, float("nan"))
    quantise_linears(loaded.encoder)
    ids = torch.ones(1, 16, dtype=torch.int64)
    with torch.inference_mode():
        hidden = loaded.encoder.read_lower(ids, torch.ones(1, 1, 1, 16, dtype=torch.bool), ids)
    assert not bool(torch.isfinite(hidden).any())


def test_a_gpu_is_told_that_int8_is_for_cpus() -> None:
    with pytest.raises(ConfigurationError, match="for CPUs"):
        require_int8(torch.device("cuda:0"))


def test_a_cpu_without_the_products_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    with pytest.raises(ConfigurationError, match="VNNI"):
        require_int8(torch.device("cpu"))
