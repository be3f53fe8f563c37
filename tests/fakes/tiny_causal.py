"""Causal language models of a few thousand weights with a byte-level tokenizer, built here: no download, no network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + CHAT
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CONTEXT = 2_048


def byte_tokenizer(*, extra: Sequence[str] = (), chat: str | None = CHAT) -> PreTrainedTokenizerFast:
    """One token per byte, three special ones, and `<tool_call>`, which is added but not special.

    `extra` can be written by a model but are never read from a text: nothing merges into them.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: number for number, symbol in enumerate([*alphabet, *map(_as_symbols, extra)])}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIALS])
    tokenizer.add_tokens([AddedToken("<tool_call>", special=False)])
    make: Any = PreTrainedTokenizerFast  # has no annotations
    made: PreTrainedTokenizerFast = make(
        tokenizer_object=tokenizer, eos_token=SPECIALS[0], pad_token=SPECIALS[0], chat_template=chat
    )
    return made


def save_tiny_llama(folder: Path, *, seed: int = 1, chat: str | None = CHAT) -> Path:
    """Random weights: replies are noise, but which label is likely depends on the text."""
    torch.manual_seed(seed)
    tokenizer = byte_tokenizer(chat=chat)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        initializer_range=0.4,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_tiny_gpt2(folder: Path, *, seed: int = 1) -> Path:
    """With learned positions and without a chat format."""
    torch.manual_seed(seed)
    tokenizer = byte_tokenizer(chat=None)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=CONTEXT,
        initializer_range=0.4,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_reciter(folder: Path, replies: Mapping[str, str], *, sure: float = 0.9) -> Path:
    """A model that goes on with `replies[c]` when the prompt ends with the character `c`, whatever stands before it.

    Each token names the next one and nothing else counts: embeddings are one-hot, attention and feed-forward give zero,
    the output matrix is the table of successors. Every token of a reply has the probability `sure`.
    """
    pieces = {last: _pieces(reply, tag) for tag, (last, reply) in enumerate(replies.items())}
    tokenizer = byte_tokenizer(extra=[piece for chain in pieces.values() for piece in chain])
    size = len(tokenizer)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=size + size % 2,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    for weight in (model.model.layers[0].self_attn.o_proj.weight, model.model.layers[0].mlp.down_proj.weight):
        torch.nn.init.zeros_(weight)
    logit = math.log(size - 1) + math.log(sure / (1 - sure))
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.eye(size, config.hidden_size))
        model.lm_head.weight.zero_()
        for last, chain in pieces.items():
            symbols = [last, *map(_as_symbols, chain), SPECIALS[0]]
            tokens = [tokenizer.convert_tokens_to_ids(symbol) for symbol in symbols]
            for token, following in pairwise(tokens):
                model.lm_head.weight[following, token] = logit / math.sqrt(config.hidden_size)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _pieces(reply: str, tag: int) -> list[str]:
    """The reply in pieces, no two of them alike, none of one letter; chains differ in where they are cut."""
    pieces: list[str] = []
    start = 0
    while start < len(reply):
        end = start + 4 + tag
        while reply[start:end] in pieces and end < len(reply):
            end += 1
        pieces.append(reply[start:end])
        start = end
    assert len(set(pieces)) == len(pieces), "a reply that cannot be cut into different pieces"
    return pieces


def _as_symbols(piece: str) -> str:
    """How a byte-level vocabulary writes a string."""
    return piece.replace(" ", "\u0120").replace("\n", "\u010a")
