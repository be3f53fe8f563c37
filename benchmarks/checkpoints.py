"""The trunk as four Hugging Face checkpoints, one per task: what a team would have without a shared encoder.

The encoder's weights are the real ones. The heads have the right shape and no training; the tagger's favours "no
entity", so that little is found and putting results together costs a peer as little as it can.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    logging,
)

from workers.models.config import EncoderShape
from workers.models.trunk import TOKENIZER_FILE, TrunkFiles

SHAPE = EncoderShape()
OUTSIDE_BIAS = 4.0  # logit of "no entity" above the others


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Folders, as `save_pretrained` leaves them."""

    entities: Path
    relations: Path
    labels: Path
    sentences: Path


def hush() -> None:
    """No progress bars and warnings of transformers between the figures."""
    log: Any = logging  # has no types
    log.set_verbosity_error()
    log.disable_progress_bar()


def write_checkpoints(
    folder: Path,
    trunk: TrunkFiles,
    *,
    entity_types: Sequence[str],
    relation_types: Sequence[str],
    labels: Sequence[str],
    shape: EncoderShape = SHAPE,
) -> Checkpoints:
    """In fp32; whoever loads them chooses the number format. `shape` is the trunk's."""
    hush()
    tags = ["O", *(f"{part}-{name}" for name in entity_types for part in "BI")]
    tokenizer = fast_tokenizer(trunk)
    written = {
        "entities": _model(trunk, shape, BertForTokenClassification, tags),
        "relations": _model(trunk, shape, BertForSequenceClassification, ["none", *relation_types]),
        "labels": _model(trunk, shape, BertForSequenceClassification, labels),
        "sentences": _model(trunk, shape, BertModel, labels),
    }
    for name, model in written.items():
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return Checkpoints(*(folder / name for name in written))


def fast_tokenizer(trunk: TrunkFiles) -> PreTrainedTokenizerFast:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / TOKENIZER_FILE
        path.write_bytes(trunk.tokenizer)
        make: Any = PreTrainedTokenizerFast  # has no types
        tokenizer: PreTrainedTokenizerFast = make(
            tokenizer_file=str(path),
            model_max_length=512,
            pad_token="[PAD]",
            unk_token="[UNK]",
            cls_token="[CLS]",
            sep_token="[SEP]",
            mask_token="[MASK]",
        )
        return tokenizer


def _model(
    trunk: TrunkFiles, shape: EncoderShape, kind: Callable[[BertConfig], PreTrainedModel], labels: Sequence[str]
) -> PreTrainedModel:
    state = safetensors.torch.load(trunk.weights)
    vocabulary, width = state["embeddings.word_embeddings.weight"].shape
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.attention_heads,
        intermediate_size=state["encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=state["embeddings.position_embeddings.weight"].shape[0],
        layer_norm_eps=shape.norm_epsilon,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    torch.manual_seed(0)
    model = kind(config)
    missing = model.base_model.load_state_dict(state, strict=False).missing_keys
    if unexpected := [name for name in missing if not name.startswith("pooler.")]:
        raise ValueError(f"the trunk lacks {unexpected[0]}: this would not be its encoder")
    if isinstance(model, BertForTokenClassification):
        with torch.no_grad():
            model.classifier.bias[0] = OUTSIDE_BIAS
    return model
