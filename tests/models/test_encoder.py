"""Our encoder is the trunk: the same hidden states as transformers' model, in both branches before any training."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.torch
import torch
from transformers import BertConfig, BertModel

from tests.fakes.tiny_model import tiny_trunk
from workers.models.config import EncoderShape
from workers.models.encoder import BranchedEncoder, attention_mask, build_encoder
from workers.models.store import TrunkFiles, find_trunk

MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
TINY = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 48}


def both(files: TrunkFiles, sizes: dict[str, int], shape: EncoderShape) -> tuple[BranchedEncoder, BertModel]:
    state = safetensors.torch.load(files.weights)
    theirs = BertModel(BertConfig.from_dict(sizes), add_pooling_layer=False)
    torch.nn.Module.eval(theirs)
    missing, _ = theirs.load_state_dict(state, strict=False)
    assert not [name for name in missing if "position_ids" not in name]
    return build_encoder(state, shape).eval(), theirs


@pytest.mark.parametrize("kind", ["tiny", "minilm"])
@torch.inference_mode()
def test_both_branches_start_as_the_trunk(kind: str) -> None:
    if kind == "tiny":
        shape = EncoderShape(layers=4, shared_layers=2, attention_heads=4)
        ours, theirs = both(tiny_trunk(), TINY, shape)
    else:
        ours, theirs = both(find_trunk(), MINILM, EncoderShape())
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1_000, 30_000, (5, 48), generator=generator)
    lengths = torch.tensor([48, 3, 17, 40, 2])
    mask = attention_mask(lengths, 48)
    expected = theirs(input_ids=ids, attention_mask=mask[:, 0, 0, :].long()).last_hidden_state
    lower = ours.read_lower(ids, mask, torch.ones_like(ids))
    real = mask[:, 0, 0, :]
    for hidden in (ours.read_plain(lower, mask), ours.read_tuned(lower, mask, torch.ones_like(ids))):
        torch.testing.assert_close(hidden[real], expected[real], atol=2e-5, rtol=1e-4)


def test_the_tuned_branch_sees_how_words_are_written() -> None:
    encoder = build_encoder(
        safetensors.torch.load(tiny_trunk().weights), EncoderShape(layers=4, shared_layers=2, attention_heads=4)
    )
    torch.nn.init.normal_(encoder.case.weight)
    ids = torch.full((1, 16), 2_000)
    mask = attention_mask(torch.tensor([16]), 16)
    lower = encoder.read_lower(ids, mask, torch.ones_like(ids))
    assert not torch.equal(
        encoder.read_tuned(lower, mask, torch.full_like(ids, 1)),
        encoder.read_tuned(lower, mask, torch.full_like(ids, 2)),
    )


def test_the_tokenizer_is_the_one_that_lowers_case() -> None:
    definition = json.loads(find_trunk().tokenizer)
    assert definition["normalizer"]["lowercase"] is True
    assert np.all([name in definition["model"]["vocab"] for name in ("[CLS]", "[SEP]", "the")])
