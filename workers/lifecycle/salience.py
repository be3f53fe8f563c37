"""Trains the salience head: which sentences an oracle or a person's summary took up. The encoder is frozen here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from workers.lifecycle.data import Summarized
from workers.models.encoder import attention_mask
from workers.models.folder import LoadedModel
from workers.models.heads import SalienceHead, mean_between, running_sums
from workers.models.prepared import PreparedWindow, collate, prepare_window
from workers.models.readout import place, pooled
from workers.text.pieces import Window

EPOCHS = 30
BATCH_SENTENCES = 512
RATE = 1e-3
PERMISSIVE_GENRES = frozenset({"academic", "bio", "court", "news", "interview", "voyage"})


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences of documents as the head sees them. All [S, ...]."""

    vectors: Tensor
    windows: Tensor
    tokens: Tensor
    worth: Tensor  # 0..1
    documents: Tensor  # number of the document


def windows_of(document: Summarized, cut: Callable[[str], int], limit: int) -> Iterator[tuple[int, int]]:
    """Ranges of sentences that fill windows of at most `limit` tokens."""
    first, size = 0, 0
    for number, (start, end) in enumerate(document.sentences):
        length = cut(document.text[start:end])
        if number > first and size + length > limit:
            yield first, number
            first, size = number, 0
        size += length
    if first < len(document.sentences):
        yield first, len(document.sentences)


@torch.inference_mode()
def read(model: LoadedModel, documents: Sequence[Summarized], *, limit: int = 254) -> Sentences:
    """The sentences of all documents, each read within its window."""
    columns: list[list[Tensor]] = [[], [], [], [], []]
    tokenizer = model.tokenizer
    for number, document in enumerate(documents):
        for first, last in windows_of(document, lambda text: len(tokenizer.cut([text])[0]), limit):
            begin, end = document.sentences[first][0], document.sentences[last - 1][1]
            tokens = tokenizer.cut([document.text[begin:end]])[0]
            if len(tokens) > 510:
                continue
            spans = tuple((a - begin, b - begin) for a, b in document.sentences[first:last])
            window = Window(document.text[begin:end], 0, spans, tokens)
            item = prepare_window(window, start_id=tokenizer.start_id, end_id=tokenizer.end_id)
            for column, value in zip(columns, _sentence_features(model, item), strict=False):
                column.append(value)
            columns[3].append(torch.tensor(document.worth[first:last]))
            columns[4].append(torch.full((last - first,), number))
    return Sentences(*(torch.cat(column) for column in columns))


def _sentence_features(model: LoadedModel, item: PreparedWindow) -> tuple[Tensor, Tensor, Tensor]:
    batch = collate([item])
    lengths = torch.from_numpy(batch.lengths)
    mask = attention_mask(lengths, batch.ids.shape[1])
    with torch.autocast("cpu", torch.bfloat16, enabled=model.encoder.words.weight.dtype is torch.float32):
        lower = model.encoder.read_lower(torch.from_numpy(batch.ids), mask, torch.from_numpy(batch.shapes))
        plain = model.encoder.read_plain(lower, mask)
    sums = running_sums(plain)
    rows, begins, ends = (
        place(array, plain.device) for array in (batch.sentence_rows, batch.sentence_begins, batch.sentence_ends)
    )
    vectors = F.normalize(mean_between(sums, rows, begins, ends), dim=1)
    return vectors, pooled(plain, lengths, sums)[rows], ends - begins


def fit(head: SalienceHead, sentences: Sentences, *, seed: int) -> float:
    """Trains the head in place; returns the last epoch's mean loss."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.1)
    total = 0.0
    for _ in range(EPOCHS):
        total = 0.0
        order = torch.randperm(len(sentences.worth), generator=generator)
        parts = torch.tensor_split(order, -(-len(order) // BATCH_SENTENCES))
        for chosen in parts:
            logits = head(sentences.vectors[chosen], sentences.windows[chosen], sentences.tokens[chosen])
            loss = F.binary_cross_entropy_with_logits(logits, sentences.worth[chosen])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            total += loss.item() / len(parts)
    return total


@torch.inference_mode()
def top_one_hits(head: SalienceHead, sentences: Sentences) -> float:
    """Part of documents whose best-scored sentence is one of the oracle's."""
    logits = head(sentences.vectors, sentences.windows, sentences.tokens).numpy()
    worth, documents = sentences.worth.numpy(), sentences.documents.numpy()
    hits = [
        worth[rows[np.argmax(logits[rows])]] >= 1.0
        for rows in (np.flatnonzero(documents == number) for number in np.unique(documents))
    ]
    return float(np.mean(hits))
