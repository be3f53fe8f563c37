"""Trains the salience head: which sentence of a document says best what people wrote to sum it up.

The encoder is frozen here. Sentences are cut, read and shared between windows as the product does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from workers.errors import ConfigurationError
from workers.lifecycle.answers import area_batches
from workers.lifecycle.formats import SummarySet, read_file
from workers.lifecycle.overlap import overlaps
from workers.lifecycle.summary_recipe import SummedUpFile
from workers.models.config import HeadShape
from workers.models.encoder import attention_mask
from workers.models.folder import LoadedModel
from workers.models.heads import SalienceHead, mean_between, running_sums
from workers.models.prepared import PreparedWindow, collate, prepare_window
from workers.models.readout import place, pooled
from workers.settings import WindowSettings
from workers.stages.summary import evidence, quotable, sentences_once
from workers.text.sentences import split_sentences
from workers.text.windows import cut_windows

EPOCHS = 8
BATCH_DOCUMENTS = 32
RATE = 1e-3
PRIOR_RATE = 1e-2
DROPOUT = 0.3
SHARPNESS = 0.05  # of the overlap: a sentence that is so much better is e times as likely to be wanted

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SummedUp:
    """A text and what people wrote to sum it up."""

    text: str
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """The sentences of a document, each once, as the head sees them."""

    sentences: tuple[str, ...]
    references: tuple[str, ...]
    vectors: Tensor  # [S, D] unit vectors
    windows: Tensor  # [S, D] those of their windows
    tokens: Tensor  # [S]
    gains: Tensor  # [S] overlap of each sentence with the references

    @property
    def allowed(self) -> npt.NDArray[np.bool_]:
        return quotable(self.tokens.numpy())


def read_summed_up(folder: Path, file: SummedUpFile, limit: int | None = None) -> list[SummedUp]:
    """Raises ConfigurationError for a file that cannot be read or holds no text of its genres."""
    path = folder / file.path
    content = read_file(path, limit).content
    if not isinstance(content, SummarySet):
        raise ConfigurationError(f"{path}: texts without summaries: records need text, and summary or references")
    chosen = [one for one in content.documents if not file.genres or one.genre in file.genres]
    if not chosen:
        raise ConfigurationError(f"{path}: no text has one of the genres {', '.join(file.genres)}: correct the recipe")
    return [SummedUp(one.text, tuple(" ".join(reference) for reference in one.references)) for one in chosen]


def read_documents(model: LoadedModel, documents: Sequence[SummedUp]) -> list[ReadDocument]:
    """Those among which there is a choice: with two or more sentences that may be quoted."""
    tokenizer, window = model.tokenizer, WindowSettings()
    cuts = [
        cut_windows(
            document.text,
            tokens,
            split_sentences(document.text),
            max_tokens=window.max_tokens,
            overlap_tokens=window.overlap_tokens,
        )
        for document, tokens in zip(documents, tokenizer.cut([document.text for document in documents]), strict=True)
    ]
    ends = {"start_id": tokenizer.start_id, "end_id": tokenizer.end_id}
    features = iter(_features(model, [prepare_window(window, **ends) for cut in cuts for window in cut]))
    found = []
    for document, cut in zip(documents, cuts, strict=True):
        read = [next(features) for _ in cut]
        rows = sentences_once(cut)
        tokens = torch.tensor([int(read[w][2][s]) for w, s in rows])
        if quotable(tokens.numpy()).sum() < 2:
            continue
        texts = tuple(cut[w].text[slice(*cut[w].sentences[s])] for w, s in rows)
        gains = overlaps(texts, document.references, np.arange(len(rows))[:, None])
        vectors, windows = (torch.stack([read[w][part][s] for w, s in rows]) for part in (0, 1))
        found.append(
            ReadDocument(texts, document.references, vectors, windows, tokens, torch.from_numpy(gains).float())
        )
    return found


@torch.inference_mode()
def _features(model: LoadedModel, items: Sequence[PreparedWindow]) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Unit vectors of each window's sentences, its own as often, and their lengths; in the order of the windows."""
    found: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
    for chosen in area_batches(items):
        batch = collate([items[n] for n in chosen])
        lengths = torch.from_numpy(batch.lengths)
        mask = attention_mask(lengths, batch.ids.shape[1])
        lower = model.encoder.read_lower(torch.from_numpy(batch.ids), mask, torch.from_numpy(batch.shapes))
        plain = model.encoder.read_plain(lower, mask)
        sums = running_sums(plain)
        rows, begins, ends = (
            place(array, plain.device) for array in (batch.sentence_items, batch.sentence_begins, batch.sentence_ends)
        )
        vectors = F.normalize(mean_between(sums, rows, begins, ends), dim=1)
        windows = pooled(plain, lengths, sums)[rows]
        sizes = np.diff(batch.sentence_offsets).tolist()
        parts = zip(*(torch.split(column, sizes) for column in (vectors, windows, ends - begins)), strict=True)
        found |= zip(chosen, parts, strict=True)
    return [found[number] for number in range(len(items))]


def train_head(width: int, shape: HeadShape, documents: Sequence[ReadDocument], *, seed: int) -> SalienceHead:
    """A new head; its softmax over a document's sentences is fitted to that of their overlap with the references.

    It is trained beside a linear prior of place, length and centrality, so that it learns what these do not say. The
    prior is dropped: `quoting` fits one to sentences that the head was not trained on.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head, prior = SalienceHead(width, shape), nn.Linear(4, 1, bias=False)
        nn.init.zeros_(prior.weight)
        groups = [
            {"params": list(head.parameters()), "lr": RATE, "weight_decay": 0.1},
            {"params": list(prior.parameters()), "lr": PRIOR_RATE, "weight_decay": 1e-3},
        ]
        optimizer = torch.optim.AdamW(groups)
        steps = EPOCHS * -(-len(documents) // BATCH_DOCUMENTS)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [RATE, PRIOR_RATE], total_steps=steps, pct_start=0.1)
        priors = [_prior_columns(document) for document in documents]
        for _ in range(EPOCHS):
            for numbers in torch.split(torch.randperm(len(documents)), BATCH_DOCUMENTS):
                chosen = [documents[n] for n in numbers]
                added = prior(torch.cat([priors[n] for n in numbers]))[:, 0]
                loss = _listwise_loss(_dropped_out(head, chosen) + added, chosen)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
    return head.eval()


def _prior_columns(document: ReadDocument) -> Tensor:
    """[S, 4]"""
    tokens = document.tokens.numpy()
    columns = evidence(np.zeros(len(tokens)), document.vectors.double().numpy(), tokens)
    return torch.from_numpy(columns[:, 2:]).float()


def _dropped_out(head: SalienceHead, documents: Sequence[ReadDocument]) -> Tensor:
    features = head.features(
        *(torch.cat([getattr(document, name) for document in documents]) for name in ("vectors", "windows", "tokens"))
    )
    mixed = F.dropout(head.mix(F.dropout(features, DROPOUT)), DROPOUT)
    logits: Tensor = head.out(F.gelu(mixed))[:, 0]
    return logits


def _listwise_loss(logits: Tensor, documents: Sequence[ReadDocument]) -> Tensor:
    """Cross entropy of two distributions over the sentences that may be quoted, mean over documents."""
    losses = []
    parts = torch.split(logits, [len(document.tokens) for document in documents])
    for part, document in zip(parts, documents, strict=True):
        allowed = torch.from_numpy(document.allowed)
        wanted = torch.softmax(document.gains[allowed] / SHARPNESS, dim=0)
        losses.append(-(wanted * torch.log_softmax(part[allowed], dim=0)).sum())
    return torch.stack(losses).mean()


@torch.inference_mode()
def logits_of(head: SalienceHead, document: ReadDocument) -> npt.NDArray[np.float64]:
    """[S]"""
    return head(document.vectors, document.windows, document.tokens).double().numpy()  # type: ignore[no-any-return]
