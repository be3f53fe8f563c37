"""A larger encoder of Hugging Face transformers that reads what our model reads: the same word pieces, the same shapes.

So every window, word and pair of an example is also the teacher's, and its answers need no alignment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from workers.errors import ConfigurationError
from workers.lifecycle.teacher_recipe import TeacherSettings
from workers.models.adapters.weights import WEIGHTS, files_digest, load_weights, one_line
from workers.models.attention import EndToEnd, Reach
from workers.models.shapes import WordShape
from workers.models.store import find_folder

FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", WEIGHTS)
_ROLES = {"[CLS]": "cls_token_id", "[SEP]": "sep_token_id", "[PAD]": "pad_token_id", "[UNK]": "unk_token_id"}


class LargeEncoder(nn.Module):
    """Read like the tuned branch of a `BranchedEncoder`; word shapes are added to the words it looks up."""

    numbers: Tensor

    def __init__(self, folder: Path, vocabulary: dict[str, int]) -> None:
        """`vocabulary` is our tokenizer's. Raises ConfigurationError for an encoder with other word pieces."""
        super().__init__()
        self.model = load_weights(folder, AutoModel, add_pooling_layer=False)
        self.words = cast(nn.Embedding, self.model.get_input_embeddings())
        self.width = self.words.embedding_dim
        self.case = nn.Embedding(len(WordShape), self.width)
        nn.init.zeros_(self.case.weight)
        self.register_buffer("numbers", _numbers(folder, vocabulary), persistent=False)

    def read_lower(self, ids: Tensor, reach: Reach, shapes: Tensor) -> Tensor:
        """ids (ours) and shapes [B, T] -> what its layers are given [B, T, width]."""
        hidden: Tensor = self.words(self.numbers[ids]) + self.case(shapes)
        return hidden

    def read_tuned(self, hidden: Tensor, reach: Reach, shapes: Tensor) -> Tensor:
        assert not isinstance(reach, EndToEnd), "windows are padded in training"
        model: Any = self.model
        read: Tensor = model(inputs_embeds=hidden, attention_mask=reach[:, 0, 0, :].long()).last_hidden_state
        return read


def find_encoder(settings: TeacherSettings) -> tuple[Path, str]:
    """Its folder and the digest of its files. Raises ConfigurationError if there is none."""
    folder = find_folder(settings.encoder, revision=settings.revision, files=FILES)
    return folder, files_digest(folder, FILES)


def _numbers(folder: Path, vocabulary: dict[str, int]) -> Tensor:
    """[our vocabulary] the encoder's number of each of our word pieces."""
    with one_line(folder):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    theirs = dict(tokenizer.get_vocab())
    theirs |= {ours: getattr(tokenizer, role) for ours, role in _ROLES.items()}
    missing = [piece for piece in vocabulary if theirs.get(piece) is None]
    if missing:
        raise ConfigurationError(
            f"teacher {folder}: {len(missing)} word pieces of the model, such as {missing[0]}, are none of its: name "
            "an encoder with the vocabulary of BERT uncased"
        )
    numbers = torch.zeros(max(vocabulary.values()) + 1, dtype=torch.long)
    for piece, number in vocabulary.items():
        numbers[number] = theirs[piece]
    return numbers
