"""From hidden states to plain arrays (device thread), and from those to results (any thread). No text, no policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from workers.models.attention import EndToEnd, Reach
from workers.models.classifier import ClassifierHead
from workers.models.encoder import attention_mask
from workers.models.heads import Heads, PairBatch, mean_between, pad_rows
from workers.models.pairs import Mentions, Pairs, gaps, joinable, neighbouring
from workers.models.prepared import Collated
from workers.text.bio import TaggedSpans, spans_of

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FoundSpans:
    """Entities of a batch, by item, then by start."""

    spans: TaggedSpans  # words, counted over the whole batch
    mentions: Mentions
    scores: Floats  # [E]


@dataclass(frozen=True, slots=True)
class FoundPairs:
    pairs: Pairs
    scores: Floats  # [P, relation types]


@dataclass(frozen=True, slots=True)
class FoundSentences:
    salience: Floats  # [S] logits
    vectors: npt.NDArray[np.int8]  # [S, D] unit vectors x 127


def place(array: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    """Without waiting: from pinned memory a GPU copies beside the pass that runs."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def reach_of(batch: Collated, device: torch.device, *, padded: bool) -> Reach:
    """Every token sees its own item."""
    if padded:
        return attention_mask(place(batch.lengths, device), batch.ids.shape[1])
    bounds = np.append(batch.columns, batch.ids.shape[1])
    positions = np.arange(batch.ids.shape[1]) - np.repeat(batch.columns, batch.lengths)
    return EndToEnd(place(bounds.astype(np.int32), device), int(batch.lengths.max()), place(positions, device))


def read_entities(hidden: Tensor, batch: Collated, heads: Heads, temperature: float) -> FoundSpans:
    """The best tag of every word, and the spans they spell; a span is as sure as its least sure word."""
    device = hidden.device
    words = hidden[place(batch.rows[batch.word_items], device), place(batch.word_firsts, device)].float()
    probabilities = torch.softmax(heads.tag_logits(words) / temperature, dim=1).cpu().numpy()
    spans = spans_of(probabilities.argmax(axis=1), batch.word_offsets[:-1])
    mentions = Mentions(
        items=batch.word_items[spans.starts],
        firsts=batch.word_firsts[spans.starts],
        lasts=batch.word_lasts[spans.ends - 1],
        types=spans.types,
    )
    return FoundSpans(spans, mentions, _span_scores(probabilities, spans))


def _span_scores(probabilities: Floats, spans: TaggedSpans) -> Floats:
    """The least probability, over a span's words, that the word is part of an entity of the span's type."""
    if not len(spans):
        return np.zeros(0, dtype=np.float32)
    by_type = probabilities[:, 1::2] + probabilities[:, 2::2]  # [W, types]
    owner = np.repeat(np.arange(len(spans)), spans.ends - spans.starts)
    offsets = np.concatenate([[0], np.cumsum(spans.ends - spans.starts)[:-1]])
    inside = np.arange(len(owner)) - offsets[owner] + spans.starts[owner]
    return np.minimum.reduceat(by_type[inside, spans.types[owner]], offsets)


def pair_batch(mentions: Mentions, pairs: Pairs, rows: Array, device: torch.device) -> PairBatch:
    """rows [B]: see `Collated`."""
    begins, ends, gap_classes = gaps(mentions, pairs)
    return PairBatch(
        *(place(array, device) for array in (rows[mentions.items], mentions.firsts, mentions.lasts, mentions.types)),
        *(place(array, device) for array in (pairs.heads, pairs.tails, begins, ends, gap_classes)),
    )


def read_relations(
    hidden: Tensor, batch: Collated, mentions: Mentions, heads: Heads, neighbours: int, temperature: float
) -> FoundPairs:
    """Probabilities of every relation for every neighbouring pair whose types can be related, in one call."""
    pairs = joinable(neighbouring(mentions.items, neighbours), mentions, heads.relations.joinable)
    if not len(pairs):
        return FoundPairs(pairs, np.zeros((0, heads.relations.out.out_features), dtype=np.float32))
    logits = heads.relations(hidden.float(), pair_batch(mentions, pairs, batch.rows, hidden.device))
    return FoundPairs(pairs, torch.sigmoid(logits / temperature).cpu().numpy())


def pooled(hidden: Tensor, lengths: Tensor, sums: Tensor) -> Tensor:
    """Unit mean vector of each window over all its tokens, special ones too, as the trunk was trained. [B, D]"""
    rows = torch.arange(len(hidden), device=hidden.device)
    return pooled_between(sums, rows, torch.zeros_like(lengths), lengths)


def pooled_between(sums: Tensor, rows: Tensor, begins: Tensor, ends: Tensor) -> Tensor:
    """Unit mean vectors of the tokens in columns [begin, end) of rows, zero where there are none. [N] each -> [N, D]"""
    return F.normalize(mean_between(sums, rows, begins, ends), dim=1)


def read_sentences(sums: Tensor, windows: Tensor, batch: Collated, heads: Heads) -> tuple[Tensor, Tensor]:
    """Unit vectors of the sentences [S, D] and their salience [S]; a sentence without tokens is the zero vector."""
    device = sums.device
    begins, ends = place(batch.sentence_begins, device), place(batch.sentence_ends, device)
    vectors = pooled_between(sums, place(batch.rows[batch.sentence_items], device), begins, ends)
    return vectors, heads.salience(vectors, windows[place(batch.sentence_items, device)], ends - begins)


def quantise(vectors: Tensor) -> npt.NDArray[np.int8]:
    return torch.round(vectors * 127).to(torch.int8).cpu().numpy()


def label_logits(windows: Tensor, head: ClassifierHead, columns: Tensor) -> Floats:
    """Unit vectors [B, D] -> logits of the labels `columns`. [B, L]"""
    return head(pad_rows(windows))[: len(windows), columns].cpu().numpy()  # type: ignore[no-any-return]


def cosines(windows: Tensor, labels: Tensor) -> Floats:
    """Unit vectors [B, D] and [L, D] -> [B, L]."""
    return (pad_rows(windows) @ labels.T)[: len(windows)].cpu().numpy()
