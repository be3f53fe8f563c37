"""Labels of a model that was trained on some, and of one that takes any."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.fakes.tiny_model import tiny_config, tiny_trunk
from workers.errors import ConfigurationError
from workers.lifecycle.bootstrap import Bootstrap
from workers.lifecycle.data import Topic
from workers.lifecycle.figures import Meter
from workers.lifecycle.labelling import Labelling, score_labels
from workers.lifecycle.naming import LabelMap
from workers.lifecycle.product import Product, mean_logits
from workers.models.config import ClassifierShape
from workers.models.folder import blank_model
from workers.settings import ModelSettings, Settings
from workers.stages.classification import merge_classification
from workers.stages.results import ClassificationResult

TOPICS = [
    Topic("my card did not arrive", "card_arrival"),
    Topic("cash is gone", "lost cash"),
    Topic("hello", "greeting"),
]


def trained_product() -> Product:
    """Untrained weights, trained labels: its answers are arbitrary but fixed."""
    torch.manual_seed(5)
    shape = ClassifierShape(labels=("Card arrival", "lost_cash", "refund"), refuse_by="energy")
    model = blank_model(tiny_config().model_copy(update={"classifier": shape}), tiny_trunk())
    return Product(model, Settings(model=ModelSettings(precision="fp32", device="cpu")))


def scored(product: Product, topics: list[Topic], outside: list[Topic], told: LabelMap | None = None) -> Labelling:
    meter = Meter(len(topics) + len(outside), Bootstrap(draws=20))
    return score_labels(product, topics, outside, None, told or LabelMap(), meter)


def test_trained_labels_are_found_under_other_spellings_and_unknown_ones_are_wrong() -> None:
    found = scored(trained_product(), TOPICS, [])
    assert found.unknown == ("greeting",)
    accuracy = next(figure for figure in found.figures if figure.measure == "accuracy")
    assert accuracy.count == 3
    assert accuracy.value in {0.0, 33.33, 66.67}, "the greeting has no label that could be right"


def test_a_map_says_which_trained_label_is_meant() -> None:
    found = scored(trained_product(), TOPICS, [], LabelMap(labels={"greeting": "refund"}))
    assert found.unknown == ()


def test_a_set_without_any_trained_label_has_no_figure() -> None:
    assert scored(trained_product(), [Topic("x", "sport")], []) == Labelling([], ("sport",))


def test_texts_that_fit_no_label_count_for_the_auroc_alone() -> None:
    outside = [Topic("what is love", "anything"), Topic("who knows", "oos")]
    found = {
        figure.measure: figure for figure in scored(trained_product(), [*TOPICS, Topic("?", "OOS")], outside).figures
    }
    alone = {figure.measure: figure for figure in scored(trained_product(), TOPICS, []).figures}
    assert found["accuracy"].value == alone["accuracy"].value
    assert (found["accuracy"].count, found["auroc"].count) == (3, 6)
    assert "auroc" not in alone


def test_only_texts_of_no_label_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="--out-of-scope"):
        scored(trained_product(), [Topic("x", "oos")], [])


def test_the_sureness_is_of_the_logits_that_the_product_merges() -> None:
    results = [ClassificationResult((0.2, 0.9, 0.1), 7), ClassificationResult((0.8, 0.3, 0.2), 3)]
    merged = merge_classification(("a", "b", "c"), results, temperature=0.2, min_score=0, multi_label=False)
    logits = mean_logits(results, 0.2)
    shares = np.exp(logits - np.logaddexp.reduce(logits))
    best = merged.candidates[0]
    assert best.name == "abc"[int(shares.argmax())]
    assert best.score == pytest.approx(shares.max(), abs=1e-4)
