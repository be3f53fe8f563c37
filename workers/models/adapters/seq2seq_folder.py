"""Opens the folder of a Hugging Face sequence-to-sequence model: safetensors and a fast tokenizer, or not at all.

Runs no code that it finds, downloads nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoModelForSeq2SeqLM, GenerationConfig, PreTrainedModel

from workers.errors import ConfigurationError
from workers.models.adapters.seq2seq_options import Writing, choose_writing, read_own_config
from workers.models.adapters.seq2seq_tokens import Seq2SeqTokenizer
from workers.models.adapters.weights import WEIGHTS, files_digest, load_weights
from workers.models.store import find_folder
from workers.settings import SequenceToSequenceModel

CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.json"
GENERATION_FILE = "generation_config.json"
SEQ2SEQ_FILES = (CONFIG_FILE, TOKENIZER_FILE, GENERATION_FILE, WEIGHTS, f"{WEIGHTS}.index.json")  # nothing else is read
CODE_VERSION = "1"  # of everything between a window and its summary


@dataclass(frozen=True, slots=True)
class LoadedSeq2Seq:
    """A model in memory, in fp32 on the CPU, and what proves which one it is."""

    name: str
    revision: str
    model: PreTrainedModel
    tokenizer: Seq2SeqTokenizer
    writing: Writing
    tokens: GenerationConfig  # which tokens start, end and fill a text, and nothing else
    max_input_tokens: int  # with special tokens and prefix


def open_seq2seq(spec: SequenceToSequenceModel) -> LoadedSeq2Seq:
    """Raises ConfigurationError, one line, for a file that is missing, damaged or of a kind that is not supported."""
    folder = find_folder(spec.name, revision=spec.revision, files=SEQ2SEQ_FILES)
    config = read_own_config(_read(folder / CONFIG_FILE), str(folder / CONFIG_FILE))
    definition = _read(folder / TOKENIZER_FILE)
    # Eager attention: the others take another kernel where no token of a batch is padding, and give other bits.
    model = load_weights(folder, AutoModelForSeq2SeqLM, attn_implementation="eager")
    own = model.generation_config
    writing = choose_writing(spec, own.to_diff_dict(), config, str(folder))
    tokens = _special_tokens(own, str(folder))
    tokenizer = Seq2SeqTokenizer(definition, prefix=writing.prefix, special_ids=_ids(tokens))
    return LoadedSeq2Seq(
        name=folder.name if Path(spec.name).expanduser().is_dir() else spec.name,
        revision=revision_of(folder, writing),
        model=model,
        tokenizer=tokenizer,
        writing=writing,
        tokens=tokens,
        max_input_tokens=config.positions,
    )


def revision_of(folder: Path, writing: Writing) -> str:
    """SHA-256 over how it writes and the digests of all files that are read, by name."""
    return hashlib.sha256(
        f"{CODE_VERSION} {writing.digest()} {files_digest(folder, SEQ2SEQ_FILES)}".encode()
    ).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path} ({error.strerror}): restore it or correct the setting") from error


def _special_tokens(own: GenerationConfig, what: str) -> GenerationConfig:
    start = own.decoder_start_token_id if own.decoder_start_token_id is not None else own.bos_token_id
    if start is None or own.eos_token_id is None or own.pad_token_id is None:
        raise ConfigurationError(
            f"{what} does not say which tokens start, end and fill a text: add them to {CONFIG_FILE}"
        )
    make: Any = GenerationConfig  # has no annotations
    tokens: GenerationConfig = make(
        decoder_start_token_id=start,
        bos_token_id=own.bos_token_id,
        eos_token_id=own.eos_token_id,
        pad_token_id=own.pad_token_id,
        forced_bos_token_id=own.forced_bos_token_id,
        forced_eos_token_id=own.forced_eos_token_id,
    )
    return tokens


def _ids(tokens: GenerationConfig) -> set[int]:
    found: set[int] = set()
    for value in (tokens.decoder_start_token_id, tokens.bos_token_id, tokens.eos_token_id, tokens.pad_token_id):
        found.update(value if isinstance(value, list) else [] if value is None else [value])
    return found
