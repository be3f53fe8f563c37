"""The model card of a model that learned which sentences to quote."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from workers.lifecycle.card import CARD_FILE
from workers.lifecycle.recipe_file import recipe_in_card
from workers.lifecycle.summary_recipe import SummaryRecipe
from workers.models.config import ModelConfig


def write_summary_card(folder: Path, config: ModelConfig, recipe: SummaryRecipe, start: ModelConfig) -> None:
    parts = (_what(config, start), _data(config, recipe), _scores(config), _weights(config), _again(config, recipe))
    (folder / CARD_FILE).write_text("\n".join(line for part in parts for line in (*part, "")), encoding="utf-8")


def _what(config: ModelConfig, start: ModelConfig) -> list[str]:
    return [
        f"# {config.name}",
        "",
        f"`{start.name}` (weights SHA-256 `{start.heads_sha256}`) with another choice of the sentences that sum a text",
        "up. Its encoder and its other heads were not changed: for them, and for what they learned from, see its card.",
        f"It answers: {', '.join(stage.value for stage in config.stages)}. Weights: `heads.safetensors`, fp16, SHA-256",
        f"`{config.heads_sha256}`.",
    ]


def _data(config: ModelConfig, recipe: SummaryRecipe) -> list[str]:
    texts = config.training.windows if config.training else {}
    return [
        "## Data",
        "",
        "| file | use | texts | source and licence |",
        "|---|---|---|---|",
        *(
            f"| {file.name} | training | {texts[file.name]} | {file.attribution or 'not stated'} |"
            for file in recipe.train
        ),
        *(f"| {file.name} | scores only | | {file.attribution or 'not stated'} |" for file in recipe.test),
    ]


def _scores(config: ModelConfig) -> list[str]:
    if not config.scores:
        return [
            "## Scores",
            "",
            "None yet: `enrich evaluate FOLDER TEST_FILES` prints them, and those of the first sentences.",
        ]
    return [
        "## Scores",
        "",
        "ROUGE F-measures in percent, as `enrich evaluate` measures them.",
        "",
        "| measure | score |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in config.scores.items()),
    ]


def _weights(config: ModelConfig) -> list[str]:
    assert config.quoting is not None
    rows = {"one": asdict(config.quoting.one), "several": asdict(config.quoting.several)}
    return [
        "## What makes a sentence worth quoting",
        "",
        "The weight of each thing that is known of it, for summaries of one sentence and of several. `position` weighs",
        "the logarithm of its place: the more negative, the more the start of a text is quoted.",
        "",
        f"| sentences | {' | '.join(rows['one'])} |",
        f"|---|{'---|' * len(rows['one'])}",
        *(f"| {name} | {' | '.join(map(str, weights.values()))} |" for name, weights in rows.items()),
    ]


def _again(config: ModelConfig, recipe: SummaryRecipe) -> list[str]:
    record = config.training
    return [
        *recipe_in_card(recipe),
        f"torch {record.torch if record else '?'}, {(record.seconds if record else 0) / 60:.0f} minutes.",
    ]
