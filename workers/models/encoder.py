"""The trunk as two branches: sentences are read from one copy of its upper layers, which keeps the trunk's sentence
space, entities and relations from another. The lower layers are run once for both, and see how words are written,
which the trunk's own vocabulary does not tell. Knows no task.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from workers.models.attention import EndToEnd, Reach, attend
from workers.models.config import EncoderShape
from workers.models.shapes import WordShape


class Layer(nn.Module):
    """One post-norm transformer layer of BERT; query, key and value in one product."""

    def __init__(self, width: int, inner: int, heads: int, epsilon: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_attention = nn.LayerNorm(width, eps=epsilon)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.norm_output = nn.LayerNorm(width, eps=epsilon)

    def forward(self, hidden: Tensor, reach: Reach) -> Tensor:
        rows, length, width = hidden.shape
        split = self.qkv(hidden).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each [B, heads, T, width / heads]
        mixed = attend(query, key, value, reach)
        hidden = self.norm_attention(hidden + self.out(mixed.transpose(1, 2).reshape(rows, length, width)))
        normed: Tensor = self.norm_output(hidden + self.down(F.gelu(self.up(hidden))))
        return normed


class BranchedEncoder(nn.Module):
    """Embeddings and lower layers, then two branches of upper layers from the same hidden states."""

    def __init__(self, shape: EncoderShape, *, vocabulary: int, positions: int, width: int, inner: int) -> None:
        super().__init__()
        self.width = width
        self.case_at = shape.case_at
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(positions, width)  # the embedding of token type 0 is folded in
        self.norm = nn.LayerNorm(width, eps=shape.norm_epsilon)
        self.case = nn.Embedding(len(WordShape), width)

        def layers(count: int) -> nn.ModuleList:
            return nn.ModuleList(Layer(width, inner, shape.attention_heads, shape.norm_epsilon) for _ in range(count))

        self.lower = layers(shape.shared_layers)
        self.plain = layers(shape.plain_layers or shape.layers - shape.shared_layers)
        self.tuned = layers(shape.tuned_layers or shape.layers - shape.shared_layers)

    def read_lower(self, ids: Tensor, reach: Reach, shapes: Tensor) -> Tensor:
        """ids and shapes (`WordShape`s) [B, T], reach: see `attend` -> hidden [B, T, width]."""
        positions = self.positions.weight
        own = positions[reach.positions] if isinstance(reach, EndToEnd) else positions[: ids.shape[1]]
        hidden: Tensor = self.norm(self.words(ids) + own)
        if self.case_at == "input":
            hidden = hidden + self.case(shapes)
        for layer in self.lower:
            hidden = layer(hidden, reach)
        return hidden

    def read_plain(self, hidden: Tensor, reach: Reach) -> Tensor:
        """The branch of the sentence embeddings."""
        for layer in self.plain:
            hidden = layer(hidden, reach)
        return hidden

    def read_tuned(self, hidden: Tensor, reach: Reach, shapes: Tensor) -> Tensor:
        """The branch of entities and relations; shapes [B, T] are `WordShape`s."""
        if self.case_at == "branch":
            hidden = hidden + self.case(shapes)
        for layer in self.tuned:
            hidden = layer(hidden, reach)
        return hidden


def attention_mask(lengths: Tensor, area: int) -> Tensor:
    """[B] -> [B, 1, 1, area]. Always given, also where nothing is padded: without a mask torch takes another kernel,
    whose bits differ, and the answer for a window would depend on its neighbours."""
    return (torch.arange(area, device=lengths.device) < lengths[:, None])[:, None, None, :]


def build_encoder(trunk: Mapping[str, Tensor], shape: EncoderShape) -> BranchedEncoder:
    """The encoder with the trunk's weights (names of transformers' BertModel) in both branches, in fp32."""
    vocabulary, width = trunk["embeddings.word_embeddings.weight"].shape
    positions = trunk["embeddings.position_embeddings.weight"].shape[0]
    inner = trunk["encoder.layer.0.intermediate.dense.weight"].shape[0]
    encoder = BranchedEncoder(shape, vocabulary=vocabulary, positions=positions, width=width, inner=inner)
    state = {
        "words.weight": trunk["embeddings.word_embeddings.weight"],
        "positions.weight": trunk["embeddings.position_embeddings.weight"]
        + trunk["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": trunk["embeddings.LayerNorm.weight"],
        "norm.bias": trunk["embeddings.LayerNorm.bias"],
        "case.weight": torch.zeros(len(WordShape), width),
    }
    for number in range(shape.layers):
        layer = _layer_state(trunk, f"encoder.layer.{number}.")
        upper = number - shape.shared_layers
        for place in [f"lower.{number}."] if upper < 0 else [f"plain.{upper}.", f"tuned.{upper}."]:
            state |= {place + name: tensor.clone() for name, tensor in layer.items()}
    encoder.load_state_dict({name: state[name] for name in encoder.state_dict()})  # not the layers that were dropped
    return encoder


def _layer_state(trunk: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for kind in ("weight", "bias"):
        attention = [trunk[f"{prefix}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
        state[f"qkv.{kind}"] = torch.cat(attention)
        for ours, theirs in (
            ("out", "attention.output.dense"),
            ("norm_attention", "attention.output.LayerNorm"),
            ("up", "intermediate.dense"),
            ("down", "output.dense"),
            ("norm_output", "output.LayerNorm"),
        ):
            state[f"{ours}.{kind}"] = trunk[f"{prefix}{theirs}.{kind}"]
    return state
