"""BERT, DistilBERT, RoBERTa and DeBERTa-v2 of a few thousand random weights, with tokenizers of their kinds.

Untrained, so that they find labels all over: good for laws, useless for anything else. No download, no network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

torch.set_num_threads(1)  # as in tiny_model

FAMILIES = ("bert", "distilbert", "roberta", "deberta-v2")
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
VERDICTS = ("entailment", "neutral", "contradiction")
Problem = Literal["regression", "single_label_classification", "multi_label_classification"]
WIDTH, LENGTH, VOCABULARY = 32, 64, 200
TEXT = """
the a of in and to is was said on for with by it that at from as has new year company market people city river team Anna
Berlin Carla Paris lives works met left this text about sport business politics example late early
"""
WORDS = TEXT.split()


def write_tagger(folder: Path, family: str, *, labels: Sequence[str] = TAGS, seed: int = 4) -> Path:
    """A token classifier as a folder, as `save_pretrained` leaves it."""
    return _write(folder, family, AutoModelForTokenClassification, _config(family, labels), seed)


def write_classifier(
    folder: Path, family: str, *, labels: Sequence[str], problem: Problem | None = None, seed: int = 4
) -> Path:
    """A sequence classifier as a folder; with `VERDICTS` as labels it does inference."""
    config = _config(family, labels)
    config.problem_type = problem
    return _write(folder, family, AutoModelForSequenceClassification, config, seed)


def _write(folder: Path, family: str, auto_class: Any, config: PreTrainedConfig, seed: int) -> Path:
    torch.manual_seed(seed)
    model = auto_class.from_config(config)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() == 2:
                weights.normal_(std=1.0 if "embedding" in name or "classifier" in name else 0.2)
    model.save_pretrained(folder)
    tokenizer(family).save_pretrained(folder)
    return folder


def tokenizer(family: str) -> PreTrainedTokenizerFast:
    backend, special = _TOKENIZERS[family]()
    names = dict(zip(("cls_token", "pad_token", "sep_token", "unk_token"), special, strict=True))
    types = ["token_type_ids"] if family in ("bert", "deberta-v2") else []
    inputs = ["input_ids", *types, "attention_mask"]
    make: Any = PreTrainedTokenizerFast  # has no annotations
    made: PreTrainedTokenizerFast = make(
        tokenizer_object=backend, model_max_length=LENGTH, model_input_names=inputs, padding_side="right", **names
    )
    return made


def _word_pieces() -> tuple[Tokenizer, tuple[str, ...]]:
    """As BERT's."""
    letters = [chr(number) for number in range(33, 127)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    return made, ("[CLS]", "[PAD]", "[SEP]", "[UNK]")


def _byte_level() -> tuple[Tokenizer, tuple[str, ...]]:
    """As RoBERTa's; its padding is token 1, from behind which RoBERTa counts positions."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ("<s>", "<pad>", "</s>", "<unk>")
    trainer = trainers.BpeTrainer(
        vocab_size=256 + VOCABULARY,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([" ".join(WORDS * 3)], trainer)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return made, special


def _unigram() -> tuple[Tokenizer, tuple[str, ...]]:
    """As DeBERTa-v2's."""
    letters = ["\u2581", *map(chr, range(33, 127))]
    pieces = dict.fromkeys(f"\u2581{word}" for word in WORDS)
    vocabulary = [(name, 0.0) for name in ("[PAD]", "[CLS]", "[SEP]", "[UNK]")]
    vocabulary += [(piece, -math.log(2.0 + at)) for at, piece in enumerate(pieces)]
    vocabulary += [(letter, -9.0) for letter in letters]
    made = Tokenizer(models.Unigram(vocabulary, unk_id=3, byte_fallback=False))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.add_special_tokens(["[PAD]", "[CLS]", "[SEP]", "[UNK]"])
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return made, ("[CLS]", "[PAD]", "[SEP]", "[UNK]")


def _config(family: str, labels: Sequence[str]) -> PreTrainedConfig:
    names = dict(enumerate(labels))
    size = len(tokenizer(family))
    common: Any = {
        "vocab_size": size,
        "id2label": names,
        "label2id": {label: number for number, label in names.items()},
        "pad_token_id": tokenizer(family).pad_token_id,
    }
    if family == "distilbert":
        sizes: Any = {"dim": WIDTH, "hidden_dim": 48, "n_layers": 2, "n_heads": 4}
        return DistilBertConfig(max_position_embeddings=LENGTH, **sizes, **common)
    encoder: Any = {"hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    if family == "bert":
        return BertConfig(max_position_embeddings=LENGTH, **encoder, **common)
    if family == "roberta":
        return RobertaConfig(max_position_embeddings=LENGTH + 2, type_vocab_size=1, **encoder, **common)
    disentangled: Any = {"position_buckets": 16, "share_att_key": True, "norm_rel_ebd": "layer_norm"}
    return DebertaV2Config(
        max_position_embeddings=LENGTH,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        **disentangled,
        type_vocab_size=0,
        position_biased_input=False,
        **encoder,
        **common,
    )


_TOKENIZERS: dict[str, Callable[[], tuple[Tokenizer, tuple[str, ...]]]] = {
    "bert": _word_pieces,
    "distilbert": _word_pieces,
    "roberta": _byte_level,
    "deberta-v2": _unigram,
}
