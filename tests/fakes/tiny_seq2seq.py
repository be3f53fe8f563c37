"""BART, T5, mT5 and Pegasus of a few thousand random weights, each with a tokenizer of its kind, as folders."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    MT5Config,
    MT5ForConditionalGeneration,
    PegasusConfig,
    PegasusForConditionalGeneration,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from schemas.base import StageName
from workers.models.adapters.seq2seq import Seq2SeqModel, load_seq2seq
from workers.settings import SequenceToSequenceModel
from workers.stages.results import WrittenSummary
from workers.text.pieces import Window

torch.set_num_threads(1)  # as in tiny_model

FAMILIES = ("bart", "t5", "mt5", "pegasus")
_WORDS = """
    the a of in and to is was said on for with by it that at from as has new year company market people city river team
    match player minister bank price plan report week day water road school law court film song book health doctor
    summarize : .
"""
WORDS = _WORDS.split()
CORPUS = " ".join(
    f"The {a} of the {b} was in {c}, said {d}." for a, b, c, d in zip(*[iter(WORDS * 3)] * 4, strict=False)
)
WIDTH, VOCABULARY = 16, 320


def write_seq2seq(folder: Path, family: str, *, seed: int = 3) -> Path:
    """The model as a folder, as `save_pretrained` leaves it. Random, and lively: it does not only repeat one word."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _byte_level() if family == "bart" else unigram_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    model: Any = _MODELS[family](tokenizer.get_vocab_size())
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() == 2:
                weights.normal_(std=1.0 if "shared" in name or "embed" in name else 0.5)
        model.get_input_embeddings().weight[model.generation_config.eos_token_id] *= 2.5  # so that some texts end early
    model.save_pretrained(folder)
    return folder


def open_tiny(folder: Path, *, precision: str = "fp32", **options: Any) -> Seq2SeqModel:
    return load_seq2seq(spec_of(folder, precision=precision, **options))


def spec_of(folder: Path, *, precision: str = "fp32", **options: Any) -> SequenceToSequenceModel:
    given = {"kind": "seq2seq", "name": str(folder), "precision": precision, "device": "cpu"}
    return SequenceToSequenceModel.model_validate(given | options)


def window_of(model: Seq2SeqModel, text: str) -> Window:
    return Window(text, 0, ((0, len(text)),), model.tokenize([text])[0])


def written(model: Seq2SeqModel, windows: Sequence[Window]) -> list[WrittenSummary]:
    """What the model writes about windows of one padded length, as one batch."""
    batch = model.prepare(windows)
    answers = [answer[StageName.SUMMARY] for answer in model.decode(model.forward(batch), batch)]
    return [answer for answer in answers if isinstance(answer, WrittenSummary)]


def _byte_level() -> Tokenizer:
    """As BART's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([CORPUS], trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


def unigram_tokenizer() -> Tokenizer:
    """As those of T5 and Pegasus."""
    pieces = [f"\u2581{word}" for word in WORDS] + [f"\u2581{word.capitalize()}" for word in WORDS[:20]]
    letters = ["\u2581", *map(chr, range(33, 127))]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("<n>", -5.0)]
    vocabulary += [(piece, -math.log(2.0 + at)) for at, piece in enumerate(dict.fromkeys(pieces))]
    vocabulary += [(letter, -9.0) for letter in letters]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2, byte_fallback=False))
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def _bart(vocabulary: int) -> PreTrainedModel:
    return BartForConditionalGeneration(
        BartConfig(
            vocab_size=vocabulary,
            d_model=WIDTH,
            encoder_layers=1,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=24,
            decoder_ffn_dim=24,
            max_position_embeddings=128,
        )
    )


def _t5(vocabulary: int) -> PreTrainedModel:
    make: Any = T5Config  # also takes what it does not name
    config = make(
        vocab_size=vocabulary,
        d_model=WIDTH,
        d_kv=8,
        d_ff=24,
        num_layers=2,  # of both halves: transformers 5.24 sizes T5's cache by the encoder
        num_heads=2,
        n_positions=96,
        decoder_start_token_id=0,
        task_specific_params={"summarization": {"prefix": "summarize: ", "max_length": 40, "num_beams": 2}},
    )
    return T5ForConditionalGeneration(config)


def _mt5(vocabulary: int) -> PreTrainedModel:
    make: Any = MT5Config
    config = make(
        vocab_size=vocabulary, d_model=WIDTH, d_kv=8, d_ff=24, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    return MT5ForConditionalGeneration(config)


def _pegasus(vocabulary: int) -> PreTrainedModel:
    return PegasusForConditionalGeneration(
        PegasusConfig(
            vocab_size=vocabulary,
            d_model=WIDTH,
            encoder_layers=1,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=24,
            decoder_ffn_dim=24,
            max_position_embeddings=112,
            decoder_start_token_id=0,
        )
    )


_MODELS: dict[str, Callable[[int], PreTrainedModel]] = {"bart": _bart, "t5": _t5, "mt5": _mt5, "pegasus": _pegasus}
