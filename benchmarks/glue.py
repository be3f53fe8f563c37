"""What a team writes today: one `transformers.pipeline` per task, called one after another. Knows no Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import pipeline

from benchmarks.checkpoints import Checkpoints, hush
from workers.text.sentences import split_sentences

QUOTED = 3  # sentences of a summary
STRIDE = 32  # tokens that two pieces of a long text share, for entities
MOST_SENTENCES = 32  # of a document in one batch

Record = dict[str, Any]  # the shape that pipelines give


class Glue:
    """Four pipelines, four encoder passes. Texts longer than 512 tokens are read in overlapping pieces for entities,
    and cut off for relations and labels, as is usual; all their sentences are embedded."""

    def __init__(self, checkpoints: Checkpoints, *, dtype: torch.dtype, device: str = "cpu") -> None:
        make: Any = pipeline  # its overloads know no options of the tokenizer
        hush()
        options = {"dtype": dtype, "device": device}
        self._entities = make(
            "token-classification",
            model=str(checkpoints.entities),
            aggregation_strategy="first",
            stride=STRIDE,
            **options,
        )
        self._relations = make("text-classification", model=str(checkpoints.relations), top_k=None, **options)
        self._labels = make("text-classification", model=str(checkpoints.labels), top_k=None, **options)
        self._sentences = make("feature-extraction", model=str(checkpoints.sentences), return_tensors=True, **options)

    def one_by_one(self, texts: Sequence[str]) -> list[Record]:
        """A call per document and task. Only the sentences of a document go as a batch."""
        return [self._one(text) for text in texts]

    def in_batches(self, texts: Sequence[str], *, size: int = 32) -> list[Record]:
        """A call per task with all texts, `size` in a batch, in the order in which they come."""
        asked = list(texts)
        entities = self._entities(asked, batch_size=size)
        relations = self._relations(asked, batch_size=size, truncation=True)
        labels = self._labels(asked, batch_size=size, truncation=True)
        split = [sentences_of(text) for text in asked]
        vectors = iter(self._embed([sentence for own in split for sentence in own], size=size))
        return [
            {"entities": e, "relations": r, "labels": c, "summary": quote(own, [next(vectors) for _ in own])}
            for e, r, c, own in zip(entities, relations, labels, split, strict=True)
        ]

    def _one(self, text: str) -> Record:
        own = sentences_of(text)
        return {
            "entities": self._entities(text),
            "relations": self._relations([text], truncation=True)[0],
            "labels": self._labels([text], truncation=True)[0],
            "summary": quote(own, self._embed(own, size=min(len(own), MOST_SENTENCES))),
        }

    def _embed(self, sentences: Sequence[str], *, size: int) -> list[torch.Tensor]:
        """The mean of a sentence's tokens. The pipeline hands out padding too, and it is not worth cutting off here."""
        found = self._sentences(list(sentences), batch_size=max(1, size), truncation=True)
        return [hidden[0].float().mean(dim=0) for hidden in found]


def sentences_of(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


def quote(sentences: Sequence[str], vectors: Sequence[torch.Tensor]) -> list[str]:
    """The sentences nearest to the middle of all."""
    if not sentences:
        return []
    stacked = torch.nn.functional.normalize(torch.stack(list(vectors)), dim=-1)
    nearest = (stacked @ stacked.mean(dim=0)).topk(min(QUOTED, len(sentences))).indices
    return [sentences[number] for number in sorted(nearest.tolist())]
