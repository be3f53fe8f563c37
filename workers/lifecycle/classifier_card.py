"""The model card of a trained classifier: its labels, what it learned from, what it scores, how to make it again."""

from __future__ import annotations

from pathlib import Path

from workers.lifecycle.card import CARD_FILE
from workers.lifecycle.classifier_calibration import Calibration
from workers.lifecycle.classifier_data import Lessons
from workers.lifecycle.classifier_recipe import ClassifierRecipe, LabelledFile
from workers.lifecycle.recipe_file import recipe_in_card
from workers.models.config import ModelConfig

_TUNED = {
    "full": "All layers of the encoder were tuned; the word vectors are the trunk's.",
    "lora": "All layers of the encoder were tuned by low-rank changes, merged into the weights.",
    "upper": "The layers that only labels and summaries read were tuned; the other heads answer as before.",
    "frozen": "The encoder is as it was; only the head was trained.",
}
_RULES = {
    "probability": "its highest probability",
    "energy": "the logarithm of the sum of its exponentiated logits",
    "logit": "its highest logit",
}


def write_classifier_card(
    folder: Path,
    config: ModelConfig,
    recipe: ClassifierRecipe,
    lessons: Lessons,
    chosen: Calibration,
    *,
    best_epoch: int,
) -> None:
    parts = (
        _what(config, recipe),
        _data(recipe, lessons),
        _scores(config, chosen, recipe),
        _labels(config, recipe, lessons),
        _again(config, recipe, best_epoch),
    )
    (folder / CARD_FILE).write_text("\n".join(line for part in parts for line in (*part, "")), encoding="utf-8")


def _what(config: ModelConfig, recipe: ClassifierRecipe) -> list[str]:
    return [
        f"# {config.name}",
        "",
        f"Gives a text one of {len(config.classifier.labels) if config.classifier else 0} labels, or none. The trunk",
        f"is all-MiniLM-L6-v2 (Apache-2.0, SHA-256 `{config.trunk_sha256}`), which is not stored here.",
        _TUNED[recipe.tune],
        f"It answers: {', '.join(stage.value for stage in config.stages)}. Weights: `heads.safetensors`, fp16, SHA-256",
        f"`{config.heads_sha256}`.",
    ]


def _data(recipe: ClassifierRecipe, lessons: Lessons) -> list[str]:
    def rows(files: tuple[LabelledFile, ...], use: str) -> list[str]:
        return [f"| {file.name} | {use} | {file.attribution or 'not stated'} |" for file in files]

    drawn = f", {recipe.per_class} of each label drawn" if recipe.per_class else ""
    return [
        "## Data",
        "",
        "| file | use | source and licence |",
        "|---|---|---|",
        *rows(recipe.train, "training"),
        *rows(recipe.dev, "best epoch, temperature, threshold"),
        *rows(recipe.other_dev, "threshold: texts of no label"),
        *rows((*recipe.test, *recipe.other_test), "scores only"),
        "",
        f"{len(lessons.train)} texts to learn from{drawn}, {len(lessons.dev)} to choose by"
        + (", cut out of the training files." if lessons.split else "."),
        *(
            ["The model that is kept learned from all of them, in a second run."]
            if recipe.refit and lessons.split
            else []
        ),
    ]


def _scores(config: ModelConfig, chosen: Calibration, recipe: ClassifierRecipe) -> list[str]:
    tried = ", ".join(f"{rule} {100 * value:.1f}" for rule, value in chosen.others_auroc.items())
    return [
        "## Scores",
        "",
        "In percent, written at the end of the run that made this model. Tests go through the product's own path.",
        "",
        "| measure | score |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in config.scores.items()),
        "",
        f"Probabilities are softmax(logits / {chosen.temperature}); the temperature was fitted on dev. A text",
        f"gets no label where the model is less sure than {chosen.threshold}, told by",
        f"{_RULES[chosen.rule]}; that refuses at most {100 * (1 - recipe.keep):.0f} % of the dev texts whose label",
        "is right.",
        *([f"Tried on texts of no label, AUROC on dev: {tried}."] if tried else []),
    ]


def _labels(config: ModelConfig, recipe: ClassifierRecipe, lessons: Lessons) -> list[str]:
    descriptions = config.classifier.descriptions if config.classifier else {}
    counts = dict.fromkeys(lessons.labels, 0)
    for topic in [*lessons.train, *(lessons.dev if recipe.refit and lessons.split else [])]:
        counts[topic.label] += 1
    return [
        "## Labels",
        "",
        "| label | texts learned from | description |",
        "|---|---|---|",
        *(f"| {label} | {count} | {descriptions.get(label, '')} |" for label, count in counts.items()),
        "",
        "## Limits",
        "",
        f"Made for texts like those above, in {', '.join(config.languages)}. Long documents are read in windows, whose",
        "scores are averaged by length. A label with few texts is guessed more than known: look at its row first.",
    ]


def _again(config: ModelConfig, recipe: ClassifierRecipe, best_epoch: int) -> list[str]:
    record = config.training
    return [
        *recipe_in_card(recipe),
        f"Best of {record.epochs if record else '?'} epochs: {best_epoch}. torch {record.torch if record else '?'}, "
        f"{(record.seconds if record else 0) / 60:.0f} minutes. Other hardware and versions round differently: expect",
        "the scores again to within a point, not the same bits.",
    ]
