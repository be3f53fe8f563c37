"""Scores labels of whole texts: how often the best one is right, how sure it is, and whether texts that fit no label
stand out. Labels are the model's own where it was trained on some, else described in words (zero-shot).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.base import StageName
from workers.errors import ConfigurationError
from workers.lifecycle.aliases import folded
from workers.lifecycle.bootstrap import Floats
from workers.lifecycle.data import Topic
from workers.lifecycle.figures import Meter, Wanted
from workers.lifecycle.measures import Flags, Ints, auroc, calibration_error, label_scores
from workers.lifecycle.naming import LabelMap
from workers.lifecycle.product import Product
from workers.lifecycle.report import Figure
from workers.lifecycle.topics import readable

OUTSIDE = frozenset({"oos", "outofscope", "ood"})  # folded labels of texts that fit none of the others


@dataclass(frozen=True, slots=True)
class Guesses:
    """What the product says of each text. All [N]."""

    labels: list[str]  # empty for a text without a token
    scores: Floats  # probability of that label
    sureness: Floats  # by the rule that the product refuses texts by


@dataclass(frozen=True, slots=True)
class Labelling:
    """Figures, and the labels of the data set that the model does not have."""

    figures: list[Figure]
    unknown: tuple[str, ...]


def score_labels(
    product: Product,
    topics: Sequence[Topic],
    outside: Sequence[Topic],
    descriptions: Mapping[str, str] | None,
    told: LabelMap,
    meter: Meter,
) -> Labelling:
    """`outside` are texts of another file that fit no label; those labelled so in `topics` join them. A text whose
    label the model does not have counts as wrong.

    `meter` measures over `topics` and `outside`, in this order.
    """
    texts = [*topics, *outside]
    inside = np.array([folded(topic.label) not in OUTSIDE for topic in topics] + [False] * len(outside))
    names = sorted({topic.label for topic, scored in zip(texts, inside, strict=True) if scored})
    if not names:
        raise ConfigurationError("no text with a label: a file of texts that fit none goes to --out-of-scope")
    model_labels = product.trained_labels
    meant = {name: _counterpart(name, model_labels, told) if model_labels else name for name in names}
    unknown = tuple(name for name, ours in meant.items() if ours is None)
    if len(unknown) == len(names):
        return Labelling([], unknown)
    guesses = _guess(product, [topic.text for topic in texts], _offered(model_labels, names, descriptions))
    # Wanted labels come first, so that a label beyond them is one that no text has.
    wanted_labels = [ours or f"unknown {name}" for name, ours in meant.items()]
    numbers = {label: number for number, label in enumerate(dict.fromkeys(wanted_labels))}
    predicted = np.array([numbers.get(label, len(numbers)) for label in guesses.labels])
    places = dict(zip(names, (numbers[label] for label in wanted_labels), strict=True))
    wanted = np.array([places.get(topic.label, len(numbers)) for topic in texts])
    return Labelling(_figures(meter, inside, predicted, wanted, guesses, labels=len(numbers)), unknown)


def _figures(
    meter: Meter, inside: Flags, predicted: Ints, wanted: Ints, guesses: Guesses, *, labels: int
) -> list[Figure]:
    rows = np.flatnonzero(inside)
    within = Meter(len(rows), meter.bootstrap)
    scope, count = f"{labels} labels", len(rows)
    figures = within.figures(
        "labels",
        label_scores(predicted[rows], wanted[rows], labels),
        [Wanted("accuracy", scope, count), Wanted("macro_f1", scope, count)],
    )
    right = predicted[rows] == wanted[rows]
    error = calibration_error(count, np.arange(count), guesses.scores[rows], right)
    figures += within.figures("labels", error, [Wanted("calibration_error", scope, count)], centred=True)
    if not inside.all():
        apart = auroc(guesses.sureness, inside)
        figures += meter.figures("labels", apart, [Wanted("auroc", "in scope against out of scope", len(inside))])
    return figures


def _counterpart(theirs: str, labels: Sequence[str], told: LabelMap) -> str | None:
    if theirs in told.labels:
        return told.labels[theirs]
    equal = [theirs] if theirs in labels else [label for label in labels if folded(label) == folded(theirs)]
    return equal[0] if len(equal) == 1 else None


def _offered(trained: Sequence[str], names: Sequence[str], descriptions: Mapping[str, str] | None) -> dict[str, str]:
    """Label and what is embedded of it; nothing leaves a model with the labels that it was trained for."""
    if trained:
        return dict(descriptions or {})
    if descriptions is None:
        return {name: readable(name) for name in names}
    missing = [name for name in names if name not in descriptions]
    if missing:
        raise ConfigurationError(f"--labels describes no {', '.join(missing[:5])}: it must name each label of the data")
    return dict(descriptions)


def _guess(product: Product, texts: Sequence[str], offered: Mapping[str, str]) -> Guesses:
    model = product.model(StageName.CLASSIFICATION, labels=offered)
    labels = model.info.labels[StageName.CLASSIFICATION]
    read = product.read(model, texts)
    found = [product.classification(one, labels) for one in read]
    tops = [one.candidates[0] if one else None for one in found]
    return Guesses(
        labels=[top.name if top else "" for top in tops],
        scores=np.array([top.score if top else 0.0 for top in tops]),
        sureness=np.array([product.sureness(one) for one in read]),
    )
