"""The packaged model on a CUDA device: what it says on a CPU, in any batch, and within the memory that is there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from time import monotonic

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from schemas.base import StageName
from tests.fakes.answers import assert_near
from tests.fakes.tiny_model import answers, window_of
from tests.models.test_default import SENTENCES
from workers.batching.answers import ModelFailed
from workers.batching.calibration import LENGTHS, find_budgets
from workers.batching.policy import BatchLimit
from workers.batching.scheduler import Batcher
from workers.models.attention import EndToEnd, attend, use_kernels_for_any_shape
from workers.models.device_memory import most_that_fit, smallest_gpu_bytes
from workers.models.shared import SharedEncoderModel, load_model
from workers.settings import DEFAULT_LABELS, BatchSettings, ModelSettings
from workers.stages.results import ClassificationResult, EntitiesResult

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here"),
]
NEAR = 0.002  # of a score in fp32
NEAR_IN_BF16 = 0.05
LARGE = " ".join(SENTENCES * 4)


@pytest.fixture(scope="module")
def on_gpu() -> SharedEncoderModel:
    return load_model(ModelSettings(precision="fp32", device="cuda"), labels=DEFAULT_LABELS)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """A gibibyte of it: enough for the model and for a small batch."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2**30 / torch.cuda.get_device_properties(0).total_memory)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def spans_of(answer: dict[StageName, object]) -> list[tuple[str, int, int]]:
    found = answer[StageName.ENTITIES]
    assert isinstance(found, EntitiesResult)
    return [(entity.type, entity.start, entity.end) for entity in found.entities]


def label_scores(answer: dict[StageName, object]) -> tuple[float, ...]:
    found = answer[StageName.CLASSIFICATION]
    assert isinstance(found, ClassificationResult)
    return found.scores


def test_it_says_what_it_says_on_a_cpu(on_gpu: SharedEncoderModel) -> None:
    on_cpu = load_model(ModelSettings(precision="fp32", device="cpu"), labels=DEFAULT_LABELS)
    for here, there in zip(answers(on_gpu, SENTENCES), answers(on_cpu, SENTENCES), strict=True):
        assert spans_of(dict(here)) == spans_of(dict(there))
        assert label_scores(dict(here)) == pytest.approx(label_scores(dict(there)), abs=NEAR)


def test_a_text_is_answered_in_company_as_it_is_alone(on_gpu: SharedEncoderModel) -> None:
    """To rounding: that no bit differs is promised on CPUs only."""
    alone = answers(on_gpu, SENTENCES)
    with_company = Batcher(on_gpu, BatchSettings())
    try:
        batch = with_company.answer([window_of(on_gpu, text) for text in SENTENCES * 20])
    finally:
        with_company.close()
    for number, answer in enumerate(batch.answers):
        assert not isinstance(answer, ModelFailed)
        expected = alone[number % len(SENTENCES)]
        assert spans_of(dict(answer)) == spans_of(dict(expected))
        assert label_scores(dict(answer)) == pytest.approx(label_scores(dict(expected)), abs=NEAR)


@pytest.mark.usefixtures("little_memory")
def test_too_little_memory_makes_batches_smaller_and_blames_nobody(on_gpu: SharedEncoderModel) -> None:
    batcher = Batcher(on_gpu, BatchSettings(max_items=4_096, max_padded_tokens=1_048_576, calibrate=False))
    try:
        batch = batcher.answer([window_of(on_gpu, LARGE)] * 4_096)
        stats = batcher.stats()
    finally:
        batcher.close()
    assert not any(isinstance(answer, ModelFailed) for answer in batch.answers)
    assert stats.out_of_memory >= 1
    assert stats.max_padded_tokens < 1_048_576


def test_budgets_are_measured_for_every_length(on_gpu: SharedEncoderModel) -> None:
    budgets = find_budgets(on_gpu, BatchLimit(1_024, 262_144), clock=monotonic)
    assert len(budgets.padded_tokens) == len(LENGTHS)
    assert all(tokens > 0 for tokens in budgets.padded_tokens.values())


@pytest.fixture(scope="module")
def both_ways() -> tuple[SharedEncoderModel, SharedEncoderModel]:
    """Padded and end to end, in bf16."""
    ways = [{"padding": padding, "precision": "bf16", "device": "cuda"} for padding in ("always", "auto")]
    padded, bare = (load_model(ModelSettings.model_validate(way), labels=DEFAULT_LABELS) for way in ways)
    return padded, bare


def test_windows_of_all_lengths_end_to_end_say_what_they_say_padded(
    both_ways: tuple[SharedEncoderModel, SharedEncoderModel],
) -> None:
    padded, bare = both_ways
    assert (padded.info.padded, bare.info.padded) == (True, False)
    texts = [*SENTENCES, LARGE[:900], *SENTENCES]
    batch = bare.prepare([window_of(bare, text) for text in texts])
    for here, there in zip(bare.decode(bare.forward(batch), batch), answers(padded, texts), strict=True):
        assert_near(dict(here), dict(there), scores=NEAR_IN_BF16)


@torch.inference_mode()
def test_the_kernel_for_all_lengths_is_attention_in_each_window() -> None:
    lengths = [1, 7, 130, 64, 512]
    query, key, value = (torch.randn(1, 12, sum(lengths), 32, device="cuda", dtype=torch.bfloat16) for _ in range(3))
    bounds = torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32, device="cuda")
    positions = torch.cat([torch.arange(length) for length in lengths]).cuda()
    together = attend(query, key, value, EndToEnd(bounds, max(lengths), positions))
    for start, end in itertools.pairwise(bounds.tolist()):
        own = slice(start, end)
        alone = F.scaled_dot_product_attention(query[:, :, own], key[:, :, own], value[:, :, own])
        torch.testing.assert_close(together[:, :, own], alone, rtol=0.02, atol=0.02)


def test_a_batcher_fills_its_batches_with_all_lengths_and_pads_none(
    both_ways: tuple[SharedEncoderModel, SharedEncoderModel],
) -> None:
    bare = both_ways[1]
    batcher = Batcher(bare, BatchSettings(max_items=4_096, max_padded_tokens=65_536))
    try:
        windows = [window_of(bare, text) for text in SENTENCES * 50]
        batch, stats = batcher.answer(windows), batcher.stats()
    finally:
        batcher.close()
    assert not any(isinstance(answer, ModelFailed) for answer in batch.answers)
    assert stats.batches == 1
    assert stats.padded_tokens == stats.useful_tokens + 2 * len(windows)


def test_auto_takes_the_short_format(on_gpu: SharedEncoderModel) -> None:
    model = load_model(ModelSettings(device="auto"), labels=DEFAULT_LABELS)
    assert (model.info.precision, model.info.device) == ("bf16", "cuda")
    for short, full in zip(answers(model, SENTENCES[:3]), answers(on_gpu, SENTENCES[:3]), strict=True):
        assert spans_of(dict(short)) == spans_of(dict(full))


def test_attention_with_a_mask_takes_no_kernel_that_is_compiled_for_its_shape() -> None:
    use_kernels_for_any_shape()
    query, key, value = (torch.randn(3, 12, 77, 32, device="cuda", dtype=torch.bfloat16) for _ in range(3))
    mask = torch.ones(3, 1, 1, 77, device="cuda", dtype=torch.bool)
    with torch.profiler.profile() as seen:
        F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    called = [event.key for event in seen.key_averages()]
    assert any("scaled_dot_product" in name for name in called)
    assert not any("cudnn" in name for name in called)


def test_the_memory_of_the_smallest_gpu_is_found_and_divided() -> None:
    smallest = min(torch.cuda.mem_get_info(number)[1] for number in range(torch.cuda.device_count()))
    assert smallest_gpu_bytes() == pytest.approx(smallest, rel=0.05)
    assert most_that_fit(1, smallest_gpu_bytes()) == 1
