"""Encoders of random weights that read BERT's word pieces as the real ones do: under other numbers, as MPNet does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, MPNetConfig, MPNetModel, PreTrainedModel, PreTrainedTokenizerFast

from workers.models.store import find_trunk

_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")  # in front of MPNet's vocabulary
_SIZES: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def write_encoder(folder: Path, family: str, *, without: str | None = None, positions: int = 514) -> Path:
    """`family` is bert or mpnet; `without`: a word piece that it does not know; `positions` that it can read."""
    torch.manual_seed(5)
    shift = len(_SPECIAL) if family == "mpnet" else 0
    definition = orjson.loads(find_trunk().tokenizer)
    pieces = definition["model"]["vocab"]
    vocabulary = {piece: number + shift for piece, number in pieces.items() if piece != without}
    if family == "mpnet":
        vocabulary |= {piece: number for number, piece in enumerate(_SPECIAL)}
    definition["model"]["vocab"] = vocabulary
    definition |= {"added_tokens": [], "post_processor": None, "padding": None, "truncation": None}
    start, pad, end = _SPECIAL[:3] if family == "mpnet" else ("[CLS]", "[PAD]", "[SEP]")
    make: Any = PreTrainedTokenizerFast  # has no types
    tokenizer = make(
        tokenizer_object=Tokenizer.from_buffer(orjson.dumps(definition)),
        cls_token=start,
        pad_token=pad,
        sep_token=end,
        unk_token="[UNK]",
    )
    model: PreTrainedModel
    if family == "mpnet":
        model = MPNetModel(MPNetConfig(vocab_size=len(pieces) + shift, max_position_embeddings=positions, **_SIZES))
    else:
        model = BertModel(BertConfig(vocab_size=len(pieces), max_position_embeddings=positions, **_SIZES))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
