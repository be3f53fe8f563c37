"""Opens a checkpoint of Hugging Face transformers that labels tokens or texts: safetensors and a fast tokenizer.

Runs no code that it finds, downloads nothing itself, and refuses a checkpoint whose head was never trained.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel

from workers.errors import ConfigurationError
from workers.models.adapters.encoding import TextEncoder
from workers.models.adapters.weights import WEIGHTS, files_digest, load_weights, one_line
from workers.models.precision import DTYPES, choose_device, choose_precision
from workers.models.store import find_folder
from workers.settings import CheckpointModel

CONFIG_FILE = "config.json"
# Nothing else is read.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
VOCABULARIES = (("tokenizer.json",), ("vocab.txt",), ("vocab.json", "merges.txt"))  # each makes a fast tokenizer
FILES = (CONFIG_FILE, WEIGHTS, f"{WEIGHTS}.index.json", *TOKENIZER_FILES)
UNBOUNDED = 1 << 20  # transformers writes 1e30 where a tokenizer knows no length
USUAL_LENGTH = 512  # for a model that says nothing
FEWEST_ROWS = 64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model on its device, and what proves which one it is."""

    name: str
    revision: str  # of the files alone
    precision: str
    device: torch.device
    model: PreTrainedModel
    encoder: TextEncoder
    labels: tuple[str, ...]
    problem: str | None  # transformers' `problem_type`
    max_tokens: int  # of one row, special tokens and padding included


def open_checkpoint(spec: CheckpointModel, auto_class: Any) -> Checkpoint:
    """The model by one of transformers' auto classes. Raises ConfigurationError, one line, for whatever is wrong."""
    folder = find_folder(spec.name, revision=spec.revision, files=FILES)
    if not any(all((folder / name).is_file() for name in names) for names in VOCABULARIES):
        # Without this transformers makes an empty tokenizer, to which every text is unknown.
        raise ConfigurationError(f"{folder} has no fast tokenizer (tokenizer.json), and offsets need one: convert it")
    with one_line(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ConfigurationError(f"{folder} has no fast tokenizer (tokenizer.json), and offsets need one: convert it")
    if getattr(config, "pad_token_id", None) is None:  # some heads look for it to find where a text ends
        config.pad_token_id = tokenizer.pad_token_id
    config.use_cache = False  # of a decoder, for steps that never come
    model = load_weights(folder, auto_class, config=config)
    device = choose_device(spec.device)
    precision = choose_precision(spec.precision, device)
    modules: nn.Module = model  # transformers' own `to` has no types
    modules.to(device, DTYPES[precision]).eval()
    steady(model)
    if not isinstance(config.id2label, dict) or not config.id2label:
        raise ConfigurationError(f"{folder / CONFIG_FILE} names no labels (id2label): add them")
    return Checkpoint(
        name=folder.name if Path(spec.name).expanduser().is_dir() else spec.name,  # records tell nothing of our disks
        revision=files_digest(folder, FILES),
        precision=precision,
        device=device,
        model=model,
        encoder=TextEncoder(
            backend.to_str(),
            pad_id=tokenizer.pad_token_id or 0,
            unknown_id=tokenizer.unk_token_id,
            special_ids=tokenizer.all_special_ids,
            with_types="token_type_ids" in tokenizer.model_input_names,
        ),
        labels=tuple(str(config.id2label[number]) for number in range(len(config.id2label))),
        problem=config.problem_type,
        max_tokens=_longest(model, tokenizer.model_max_length),
    )


def steady(model: nn.Module) -> None:
    """Makes every linear layer multiply at least 64 rows.

    The libraries take another kernel for a few rows, whose bits differ: torch 2.13 on CPU in fp32 for 1 to 15 rows. A
    head that reads one vector per text has as many rows as there are texts: an answer would depend on its neighbours.
    """
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = _SteadyLinear


class _SteadyLinear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        rows = input.reshape(-1, input.shape[-1])
        if len(rows) >= FEWEST_ROWS:
            return super().forward(input)
        padded = F.pad(rows, (0, 0, 0, FEWEST_ROWS - len(rows)))
        return super().forward(padded)[: len(rows)].view(*input.shape[:-1], self.out_features)


def revision_with(checkpoint: Checkpoint, *choices: object) -> str:
    """SHA-256 over the files and whatever else the answers depend on."""
    return hashlib.sha256(repr((checkpoint.revision, *choices)).encode()).hexdigest()


def _longest(model: PreTrainedModel, tokenizer_length: int | float) -> int:
    """The least of what the tokenizer, the configuration and the table of positions say."""
    said = [tokenizer_length, getattr(model.config, "max_position_embeddings", None)]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # RoBERTa counts from behind its padding index.
            said.append(module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1))
    known = [int(length) for length in said if isinstance(length, int | float) and 0 < length < UNBOUNDED]
    return min(known, default=USUAL_LENGTH)
