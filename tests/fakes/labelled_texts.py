"""Texts whose label a child could give, as files in the form that a team would have them."""

from __future__ import annotations

import random
from pathlib import Path

from tests.fakes.tiny_model import write_tiny
from tests.fakes.training_data import write_lines

WORDS = {
    "refund": ["money", "back", "return", "repay", "paid"],
    "delivery": ["parcel", "courier", "late", "arrive", "package"],
    "login": ["password", "account", "reset", "sign", "locked"],
}
FILLERS = ["hello", "thanks", "today", "again", "really", "please"]  # in texts of all labels: they tell nothing


def text_of(rng: random.Random, label: str) -> str:
    return " ".join(rng.sample(FILLERS, 2) + rng.sample(WORDS[label], 3))


def rows_of(rng: random.Random, count: int) -> list[dict[str, object]]:
    return [{"message": text_of(rng, label), "intent": label} for label in WORDS for _ in range(count)]


def far_rows(rng: random.Random, count: int) -> list[dict[str, object]]:
    return [{"message": " ".join(rng.sample(FILLERS, 4))} for _ in range(count)]


def write_labelled(folder: Path) -> None:
    """train, dev and test with the team's own keys, and texts that no label fits."""
    rng = random.Random(11)
    for name, count in (("train", 40), ("dev", 12), ("test", 12)):
        write_lines(folder / f"{name}.jsonl", rows_of(rng, count))
    for name in ("far_dev", "far_test"):
        write_lines(folder / f"{name}.jsonl", far_rows(rng, 12))


def recipe_text(start: str, *lines: str) -> str:
    """A recipe for those files; `lines` are added, and win over what stands before them."""
    values = {
        "task": "classification",
        "name": "team",
        "start": start,
        "train": "[{path: train.jsonl, text: message, label: intent}]",
        "dev": "[{path: dev.jsonl, text: message, label: intent}]",
        "test": "[{path: test.jsonl, text: message, label: intent}]",
        "other_dev": "[{path: far_dev.jsonl, text: message}]",
        "other_test": "[{path: far_test.jsonl, text: message}]",
        "epochs": "8",
        "batch_tokens": "128",
        "encoder_rate": "3.0e-3",
        "head_rate": "2.0e-2",
        "average": "0.5",
        "forget": "0.0",
        "precision": "fp32",
    }
    values |= dict(line.split(": ", 1) for line in lines)
    return "".join(f"{key}: {value}\n" for key, value in values.items())


def workplace(folder: Path, *lines: str) -> tuple[Path, Path, Path]:
    """Recipe, data folder and trunk folder of a run on the tiny model."""
    settings = write_tiny(folder)
    assert settings.trunk is not None
    write_labelled(folder / "data")
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe_text(settings.name, *lines), encoding="utf-8")
    return recipe, folder / "data", settings.trunk
