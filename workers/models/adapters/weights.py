"""Reads the weights of a Hugging Face folder: safetensors in fp32, whole, none of its own code, and without a word.

The one place where adapters load a transformers model, and where the digest over a folder's files is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.utils import logging as hf_logging

from workers.errors import ConfigurationError

WEIGHTS = "*.safetensors"


def load_weights(folder: Path, auto_class: Any, **options: object) -> PreTrainedModel:
    """The model by one of transformers' auto classes; `options` go to its `from_pretrained`.

    Raises ConfigurationError for files that are damaged, and for a model that lacks a weight: it would be noise.
    """
    if not any(folder.glob(WEIGHTS)):
        raise ConfigurationError(f"{folder} has no weights as safetensors, and nothing else is loaded: convert them")
    with one_line(folder), _quiet():
        model, told = auto_class.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            **options,
        )
    missing = sorted(told["missing_keys"])
    if missing or told["mismatched_keys"]:
        what = f"{len(missing)} of its weights, such as {missing[0]}" if missing else "weights of the right size"
        raise ConfigurationError(f"{folder} lacks {what}: name a checkpoint that was trained for this")
    loaded: PreTrainedModel = model
    return loaded


def files_digest(folder: Path, patterns: Sequence[str]) -> str:
    """SHA-256 over names and digests of all files that match."""
    whole = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        with path.open("rb") as file:
            whole.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


@contextmanager
def one_line(folder: Path) -> Iterator[None]:
    """Whatever transformers raises about a folder, as ConfigurationError."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError) as error:
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigurationError(f"{folder} cannot be loaded ({told[0][:200]}): restore or replace it") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers draws a bar for every load, and prints tables about what is checked here."""
    voice: Any = hf_logging  # has no annotations
    shown, level = voice.is_progress_bar_enabled(), voice.get_verbosity()
    voice.disable_progress_bar()
    voice.set_verbosity_error()
    try:
        yield
    finally:
        voice.set_verbosity(level)
        if shown:
            voice.enable_progress_bar()
