"""What is read off the hidden states: tags of words, relations of pairs, worth of sentences. Runs in fp32.

Bits of an answer must not depend on the batch. Measured: a product of up to 5 fp32 rows takes another kernel than one
of 8 or more. So rows are padded to a multiple of 64, and sums over tokens are differences of running sums.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from workers.models.classifier import ClassifierHead
from workers.models.config import ClassifierShape, HeadShape, RelationType
from workers.models.pairs import GAP_CLASSES
from workers.text.bio import tag_count

ROW_MULTIPLE = 64
LONGEST_WINDOW = 512  # tokens; sums over more lose digits in fp32
IMPOSSIBLE = -1e4  # logit of a relation between types that it cannot join: probability 0 in fp32, and no NaN in a loss


def pad_rows(rows: Tensor) -> Tensor:
    """[N, ...] -> [M, ...] with M the next multiple of 64, zeros below."""
    missing = -len(rows) % ROW_MULTIPLE
    return torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])]) if missing else rows


def running_sums(hidden: Tensor) -> Tensor:
    """[B, T, D] -> [B, T + 1, D]: entry t is the sum of the first t. In fp32, in fp64 over many windows end to end.

    Those are summed along their last dimension: along another one a GPU gives each of B x D sums a thread of its own.
    """
    if hidden.shape[1] <= LONGEST_WINDOW:
        return F.pad(hidden.float().cumsum(dim=1), (0, 0, 1, 0))
    lengthwise = hidden.double().transpose(1, 2).contiguous()
    return F.pad(lengthwise.cumsum(dim=2), (1, 0)).transpose(1, 2)


def mean_between(sums: Tensor, rows: Tensor, begins: Tensor, ends: Tensor) -> Tensor:
    """Mean of tokens [begin, end) of a row, from its running sums; zero where there are none. [N] each -> [N, D]."""
    counts = (ends - begins).clamp(min=1)[:, None]
    return ((sums[rows, ends] - sums[rows, begins]) / counts).float()


@dataclass(frozen=True, slots=True)
class PairBatch:
    """Mentions and pairs on the device; see `pairs.Mentions`, `pairs.Pairs` and `pairs.gaps`."""

    rows: Tensor  # [E] of the hidden states
    firsts: Tensor  # [E]
    lasts: Tensor  # [E]
    types: Tensor  # [E]
    heads: Tensor  # [P]
    tails: Tensor  # [P]
    begins: Tensor  # [P]
    ends: Tensor  # [P]
    gap_classes: Tensor  # [P]


class RelationHead(nn.Module):
    """Scores directed pairs: both mentions in their role, what stands between, types and distance."""

    allowed: Tensor

    def __init__(self, width: int, shape: HeadShape, entity_types: tuple[str, ...], types: tuple[RelationType, ...]):
        super().__init__()
        size = shape.relation_width
        self.roles = nn.Linear(2 * width, 4 * size)  # as head, as tail, and two factors of a product
        self.between = nn.Linear(width, size)
        self.head_types = nn.Embedding(len(entity_types), size)
        self.tail_types = nn.Embedding(len(entity_types), size)
        self.gap_classes = nn.Embedding(GAP_CLASSES, size)
        self.mix = nn.Linear(2 * size, size)
        with warnings.catch_warnings(action="ignore"):  # a model without relations has nothing to initialise here
            self.out = nn.Linear(size, len(types))
        allowed = [
            [[head in relation.heads and tail in relation.tails for relation in types] for tail in entity_types]
            for head in entity_types
        ]
        self.register_buffer("allowed", torch.tensor(allowed, dtype=torch.bool), persistent=False)
        self.joinable = self.allowed.any(dim=-1).numpy()  # [types, types] whether any relation is allowed

    def forward(self, hidden: Tensor, pairs: PairBatch) -> Tensor:
        """hidden [B, T, D] -> logits [P, relation types]; IMPOSSIBLE where the entity types do not fit."""
        mentions = torch.cat([hidden[pairs.rows, pairs.firsts], hidden[pairs.rows, pairs.lasts]], dim=1)
        as_head, as_tail, left, right = self.roles(pad_rows(mentions)).chunk(4, dim=1)
        sums = running_sums(self.between(hidden))
        heads, tails = pairs.heads, pairs.tails
        head_types, tail_types = pairs.types[heads], pairs.types[tails]
        added = as_head[heads] + as_tail[tails]
        added = added + mean_between(sums, pairs.rows[heads], pairs.begins, pairs.ends)
        added = added + self.head_types(head_types) + self.tail_types(tail_types) + self.gap_classes(pairs.gap_classes)
        features = torch.cat([F.gelu(added), left[heads] * right[tails]], dim=1)
        logits = self.out(F.gelu(self.mix(pad_rows(features))))[: len(heads)]
        return torch.where(self.allowed[head_types, tail_types], logits, IMPOSSIBLE)


class SalienceHead(nn.Module):
    """How much of its document a sentence says, as far as its window tells."""

    def __init__(self, width: int, shape: HeadShape) -> None:
        super().__init__()
        self.mix = nn.Linear(3 * width + 1, shape.salience_width)
        self.out = nn.Linear(shape.salience_width, 1)

    def features(self, sentences: Tensor, windows: Tensor, tokens: Tensor) -> Tensor:
        """Unit vectors of sentences and of their windows [S, D], lengths in tokens [S] -> [S, 3 D + 1]."""
        length = torch.log1p(tokens.float())[:, None] - 3.0  # a sentence of 20 tokens is 0
        scale = sentences.shape[1] ** 0.5  # components of a unit vector are small; bring them to about one
        return torch.cat([scale * sentences, scale * windows, scale * scale * sentences * windows, length], dim=1)

    def forward(self, sentences: Tensor, windows: Tensor, tokens: Tensor) -> Tensor:
        """As `features` -> logits [S]; their softmax over a document's sentences tells which one is wanted."""
        features = pad_rows(self.features(sentences, windows, tokens))
        logits: Tensor = self.out(F.gelu(self.mix(features)))[: len(sentences), 0]
        return logits


class Heads(nn.Module):
    """All trained heads of a model."""

    def __init__(
        self,
        width: int,
        shape: HeadShape,
        entity_types: tuple[str, ...],
        relation_types: tuple[RelationType, ...],
        classifier: ClassifierShape | None = None,
    ) -> None:
        super().__init__()
        self.classifier = None if classifier is None else ClassifierHead(width, len(classifier.labels))
        self.entities = nn.Linear(width, tag_count(len(entity_types)))
        self.relations = RelationHead(width, shape, entity_types, relation_types)
        self.salience = SalienceHead(width, shape)

    def tag_logits(self, words: Tensor) -> Tensor:
        """Hidden states of words [W, D] in fp32 -> [W, tags]."""
        logits: Tensor = self.entities(pad_rows(words))[: len(words)]
        return logits
