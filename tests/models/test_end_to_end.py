"""Windows without padding, all in one row: what they say is what they say with it, to rounding.

On a CPU attention goes through them one by one; `test_gpu.py` has the kernel that takes all at once.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from schemas.base import StageName
from tests.fakes.answers import assert_near
from tests.fakes.models import OracleModel, answer_of, window_of
from tests.fakes.tiny_model import LABELS, answers, tiny_loaded
from tests.fakes.tiny_model import window_of as tokenized
from tests.models.test_default import SENTENCES
from workers.batching.scheduler import Batcher
from workers.errors import ConfigurationError
from workers.models.attention import EndToEnd, attend, goes_end_to_end
from workers.models.encoder import attention_mask
from workers.models.heads import LONGEST_WINDOW, mean_between, running_sums
from workers.models.prepared import lay_end_to_end
from workers.models.ready import pads
from workers.models.shared import SharedEncoderModel
from workers.settings import BatchSettings, ModelSettings

TEXTS = [*SENTENCES, " ".join(SENTENCES * 4), "", "."]


def model(padding: str) -> SharedEncoderModel:
    settings = ModelSettings.model_validate({"precision": "fp32", "device": "cpu", "padding": padding})
    return SharedEncoderModel(tiny_loaded(), labels=LABELS, settings=settings)


def test_a_batch_of_all_lengths_says_what_each_says_alone_with_padding() -> None:
    padded, bare = model("always"), model("never")
    expected = answers(padded, TEXTS)
    batch = bare.prepare([tokenized(bare, text) for text in TEXTS])
    assert len({item.area for item in batch}) > 4
    found = bare.decode(bare.forward(batch), batch)
    for here, there in zip(found, expected, strict=True):
        assert_near(dict(here), dict(there), scores=1e-3)


def test_an_item_is_as_long_as_its_tokens_and_lies_where_the_one_before_it_ends() -> None:
    bare = model("never")
    batch = bare.prepare([tokenized(bare, text) for text in TEXTS])
    assert [item.area for item in batch] == [len(item.ids) for item in batch]
    laid = lay_end_to_end(batch)
    assert laid.ids.shape == (1, sum(item.area for item in batch))
    for item, column in zip(batch, laid.columns, strict=True):
        assert laid.ids[0, column : column + item.area].tolist() == item.ids.tolist()


@torch.inference_mode()
def test_attention_end_to_end_is_that_of_every_window_by_itself() -> None:
    generator = torch.Generator().manual_seed(3)
    lengths = [3, 1, 7]
    query, key, value = (torch.randn(1, 2, 11, 8, generator=generator) for _ in range(3))
    bounds = torch.tensor([0, 3, 4, 11], dtype=torch.int32)
    positions = torch.cat([torch.arange(length) for length in lengths])
    together = attend(query, key, value, EndToEnd(bounds, 7, positions))
    for start, length in zip(bounds.tolist(), lengths, strict=False):
        own = slice(start, start + length)
        mask = attention_mask(torch.tensor([length]), length)
        alone = attend(query[:, :, own], key[:, :, own], value[:, :, own], mask)
        torch.testing.assert_close(together[:, :, own], alone)


def test_a_mean_far_behind_in_a_long_row_keeps_its_digits() -> None:
    row = torch.full((1, 60_000, 4), 3.1)
    row[0, -8:] = torch.tensor([0.1, -0.2, 0.3, -0.4])
    assert row.shape[1] > LONGEST_WINDOW
    at = torch.tensor([0]), torch.tensor([59_992]), torch.tensor([60_000])
    torch.testing.assert_close(mean_between(running_sums(row), *at), row[:, -1], rtol=1e-6, atol=1e-6)


def test_a_batcher_puts_all_lengths_together_where_the_model_takes_them() -> None:
    oracle = OracleModel()
    oracle.info = replace(oracle.info, padded=False)
    texts = ["word " * count for count in (1, 30, 3, 17)]
    with_all = Batcher(oracle, BatchSettings(max_padded_tokens=4_096))
    try:
        batch = with_all.answer([window_of(text) for text in texts])
        stats = with_all.stats()
    finally:
        with_all.close()
    assert list(batch.answers) == [answer_of(text) for text in texts]
    assert [len(items) for items in oracle.batches] == [4]
    assert stats.capacity_tokens == 4_096


def test_padding_is_left_away_only_where_a_kernel_takes_what_is_left() -> None:
    cpu = torch.device("cpu")
    assert not goes_end_to_end(cpu, torch.bfloat16)
    assert pads(ModelSettings(), "bf16", cpu)
    assert pads(ModelSettings(), "int8", cpu)
    assert not pads(ModelSettings(padding="never"), "bf16", cpu)
    with pytest.raises(ConfigurationError, match="needs padding"):
        pads(ModelSettings(padding="never", compile=True), "fp32+compiled", cpu)


def test_stages_alone_go_end_to_end_too() -> None:
    settings = ModelSettings(precision="fp32", device="cpu", padding="never")
    for stage in StageName:
        alone = SharedEncoderModel(tiny_loaded(), labels=LABELS, settings=settings, stages=(stage,))
        (first, *_) = answers(alone, TEXTS)
        assert set(first) == {stage}
