"""Scores extractive summaries against what people wrote, and against the first sentences of the text (LEAD)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from schemas.base import StageName
from workers.lifecycle.figures import Meter, Wanted
from workers.lifecycle.formats import Referenced
from workers.lifecycle.measures import means
from workers.lifecycle.product import Product
from workers.lifecycle.report import Figure, Measure
from workers.lifecycle.rouge import Rouge

ROUGES: tuple[Measure, ...] = ("rouge1", "rouge2", "rougeLsum")
LEADS = (1, 3)


def score_summaries(
    product: Product, documents: Sequence[Referenced], sentences: int | None, meter: Meter
) -> list[Figure]:
    """`sentences` to quote; if not given, as many as half of the references have, and no more than the product's."""
    rouge = Rouge()
    wanted = sentences or usual_length(documents, product.settings.stages.summary.max_sentences)
    model = product.model(StageName.SUMMARY)
    read = product.read(model, [document.text for document in documents])
    quoted: list[Sequence[str]] = []
    for document, text in zip(documents, read, strict=True):
        summary = product.summary(text, wanted)
        spans = summary.sentences if summary else ()
        quoted.append([document.text[span.start : span.end] for span in spans] or document.sentences)
    figures = _figures(rouge, documents, quoted, f"{wanted} of the text's sentences", meter, baseline=False)
    for lead in LEADS:
        first = [document.sentences[:lead] for document in documents]
        figures += _figures(rouge, documents, first, f"LEAD-{lead}", meter, baseline=True)
    if {len(chosen) for chosen in quoted} <= {wanted} and wanted in LEADS:
        return figures
    as_many = [document.sentences[: len(chosen)] for document, chosen in zip(documents, quoted, strict=True)]
    return figures + _figures(rouge, documents, as_many, "LEAD, as many sentences", meter, baseline=True)


def usual_length(documents: Sequence[Referenced], most: int) -> int:
    """The median number of a reference's sentences, from 1 to `most`."""
    lengths = [len(reference) for document in documents for reference in document.references]
    return min(max(1, int(statistics.median(lengths))), most)


def _figures(
    rouge: Rouge,
    documents: Sequence[Referenced],
    summaries: Sequence[Sequence[str]],
    scope: str,
    meter: Meter,
    *,
    baseline: bool,
) -> list[Figure]:
    scores = np.array(
        [rouge.score(summary, document.references) for summary, document in zip(summaries, documents, strict=True)]
    )
    wanted = [Wanted(measure, scope, len(documents), baseline=baseline) for measure in ROUGES]
    return meter.figures("summary", means(scores), wanted)
