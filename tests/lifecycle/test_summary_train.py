"""A team's summaries: what they quote is quoted of unseen texts, and nothing else of the model changes."""

from __future__ import annotations

import random
from hashlib import sha256
from pathlib import Path

import pytest
import safetensors.torch
import torch

from schemas.base import StageName
from tests.fakes.tiny_model import answers, write_tiny
from tests.fakes.training_data import write_lines
from workers.cli.train import train as train_command
from workers.errors import ConfigurationError
from workers.lifecycle.product import open_product
from workers.lifecycle.summary_train import train_summaries
from workers.models.config import read_config, write_config
from workers.models.shared import load_model
from workers.settings import DEFAULT_LABELS, ModelSettings, Settings

WORDS = ["money", "parcel", "courier", "password", "account", "paid", "late", "reset", "package", "return"]
LAST = 7  # of eight sentences


def row(rng: random.Random, told: int) -> dict[str, object]:
    """Sentences of words drawn at random; the summary repeats the one whose place is `told`."""
    text = [" ".join(rng.sample(WORDS, 7)).capitalize() + "." for _ in range(LAST + 1)]
    return {"text": " ".join(text), "summary": text[told], "genre": "late" if told else "early"}


def workplace(folder: Path, *lines: str) -> tuple[Path, Path, ModelSettings]:
    """Recipe, data and the model to start from. The team sums up by the last sentence, models by the first."""
    settings = write_tiny(folder)
    rng = random.Random(3)
    for name, count in (("train", 60), ("test", 20)):
        write_lines(folder / f"data/{name}.jsonl", [row(rng, LAST) for _ in range(count)])
    write_lines(folder / "data/mixed.jsonl", [row(rng, LAST * (number % 2)) for number in range(80)])
    write_lines(folder / "data/labelled.jsonl", [{"text": "money back", "label": "refund"}])
    recipe = folder / "recipe.yaml"
    values = {"task": "summary", "name": "ours", "start": settings.name, "train": "[{path: train.jsonl}]"}
    values |= dict(line.split(": ", 1) for line in lines)
    recipe.write_text("".join(f"{key}: {value}\n" for key, value in values.items()), encoding="utf-8")
    return recipe, folder / "data", settings


def quoted(model: ModelSettings, folder: Path) -> list[int]:
    """The sentence that is quoted of each of some unseen texts."""
    product = open_product(str(folder), Settings(model=model))
    rng = random.Random(99)
    texts = [str(row(rng, 0)["text"]) for _ in range(20)]
    summaries = [product.summary(read, 1) for read in product.read(product.model(StageName.SUMMARY), texts)]
    return [
        text[: summary.sentences[0].start].count(".") for text, summary in zip(texts, summaries, strict=True) if summary
    ]


def test_unseen_texts_are_summed_up_as_the_team_does_it(tmp_path: Path) -> None:
    recipe, data, settings = workplace(tmp_path, "test: [{path: test.jsonl}]", "sentences: 1")
    train_summaries(recipe, data=data, out=tmp_path / "out", trunk=settings.trunk)
    assert set(quoted(settings, Path(settings.name))) != {LAST}
    assert quoted(settings, tmp_path / "out") == [LAST] * 20
    config = read_config(tmp_path / "out")
    assert config.scores["test summary rouge1 1 of the text's sentences"] == 100.0
    assert config.training is not None
    assert config.training.windows == {"train": 60}
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert config.heads_sha256 in card
    assert "`tiny`" in card


def test_only_genres_that_are_asked_for_are_learned_from(tmp_path: Path) -> None:
    recipe, data, settings = workplace(tmp_path, "train: [{path: mixed.jsonl, genres: [early]}]")
    train_summaries(recipe, data=data, out=tmp_path / "out", trunk=settings.trunk)
    assert quoted(settings, tmp_path / "out") == [0] * 20


def test_the_other_answers_stay_the_same(tmp_path: Path) -> None:
    recipe, data, settings = workplace(tmp_path)
    train_summaries(recipe, data=data, out=tmp_path / "out", trunk=settings.trunk)
    before, after = (
        safetensors.torch.load((folder / "heads.safetensors").read_bytes())
        for folder in (Path(settings.name), tmp_path / "out")
    )
    differ = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert {name.split(".")[1] for name in differ} == {"salience"}
    texts = ["Money and a parcel for Ada.", "The courier was late again."]
    stages = set(StageName) - {StageName.SUMMARY}
    one, other = (
        answers(load_model(settings.model_copy(update={"name": str(folder)}), labels=DEFAULT_LABELS), texts)
        for folder in (settings.name, tmp_path / "out")
    )
    assert [{stage: found[stage] for stage in stages} for found in one] == [
        {stage: found[stage] for stage in stages} for found in other
    ]


def test_a_model_that_sums_nothing_up_learns_it(tmp_path: Path) -> None:
    recipe, data, settings = workplace(tmp_path)
    start = Path(settings.name)
    silent = read_config(start).model_copy(update={"stages": (StageName.ENTITIES, StageName.CLASSIFICATION)})
    stored = safetensors.torch.load((start / "heads.safetensors").read_bytes())
    kept = {name: t for name, t in stored.items() if not name.startswith(("heads.salience", "heads.relations"))}
    payload = safetensors.torch.save(kept)
    (start / "heads.safetensors").write_bytes(payload)
    write_config(start, silent.model_copy(update={"heads_sha256": sha256(payload).hexdigest()}))
    train_summaries(recipe, data=data, out=tmp_path / "out", trunk=settings.trunk)
    wanted = (StageName.ENTITIES, StageName.CLASSIFICATION, StageName.SUMMARY)
    assert read_config(tmp_path / "out").stages == wanted
    assert quoted(settings, tmp_path / "out") == [LAST] * 20


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("train: [{path: labelled.jsonl}]", "texts without summaries"),
        ("train: [{path: absent.jsonl}]", r"absent\.jsonl"),
        ("train: [{path: train.jsonl, genres: [news]}]", "genres news"),
        ("train: []", "train"),
        ("epochs: 3", "epochs"),
    ],
)
def test_what_cannot_be_learned_from_is_named_in_one_line(tmp_path: Path, line: str, told: str) -> None:
    recipe, data, _ = workplace(tmp_path, line)
    with pytest.raises(ConfigurationError, match=told) as error:
        train_command(recipe, data=data, out=tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()
