"""Training learns, repeats itself, and writes a model that opens."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from schemas.base import StageName
from tests.fakes.tiny_model import tiny_trunk
from tests.fakes.training_data import related_row, summarized_row, write_lines, write_training_data
from workers.errors import ConfigurationError
from workers.lifecycle.card import render
from workers.lifecycle.checkpoint import read_checkpoint, save_checkpoint
from workers.lifecycle.gathering import gather
from workers.lifecycle.labels import ENTITY_TYPES, RELATION_TYPES
from workers.lifecycle.learning import ExtractionCourse
from workers.lifecycle.recipe import TRAINING, TrainSettings, read_recipe
from workers.lifecycle.schooling import Step
from workers.lifecycle.train import train
from workers.models.config import EncoderPart, EncoderShape, ModelConfig, read_config
from workers.models.folder import LoadedModel, blank_model
from workers.models.shared import load_model
from workers.settings import DEFAULT_LABELS, ModelSettings

SMALL = EncoderShape(
    layers=4, shared_layers=2, attention_heads=4, case_at="input", trained=("case", "lower", "plain", "tuned")
)


def small_model(encoder: EncoderShape = SMALL) -> LoadedModel:
    torch.manual_seed(3)
    config = ModelConfig(
        name="small",
        trunk_sha256="",
        tokenizer_sha256="",
        heads_sha256="",
        encoder=encoder,
        entity_types=ENTITY_TYPES,
        relation_types=RELATION_TYPES,
    )
    return blank_model(config, tiny_trunk())


def small_recipe(**values: object) -> TrainSettings:
    """The packaged recipe with fewer texts kept back: the test's files have six each."""
    sources = [source.model_copy(update={"heldout": min(source.heldout, 2)}) for source in TRAINING]
    return TrainSettings.model_validate({"sources": sources, "precision": "fp32", **values})


def course_of(data: Path, recipe: TrainSettings, encoder: EncoderShape = SMALL) -> tuple[LoadedModel, ExtractionCourse]:
    model = small_model(encoder)
    return model, ExtractionCourse(model, gather(data, model.tokenizer, recipe).examples, recipe, torch.float32)


@pytest.mark.parametrize(
    ("parts", "tune"),
    [
        (("case", "tuned"), "full"),
        (("case", "lower", "plain", "tuned"), "full"),
        (("case", "lower", "plain", "tuned"), "lora"),
    ],
)
def test_it_learns_what_the_data_teach_and_changes_only_what_it_says(
    tmp_path: Path, parts: tuple[EncoderPart, ...], tune: str
) -> None:
    data = write_training_data(tmp_path)
    recipe = small_recipe(
        tune=tune, epochs=20, batch_tokens=512, encoder_rate=2e-3, heads_rate=1e-2, dropout=0, forget=0
    )
    encoder = SMALL.model_copy(update={"trained": parts})
    model, course = course_of(data, recipe, encoder)
    steps: list[Step] = []
    for _ in range(recipe.epochs):
        course.run_epoch(steps.append)
    first = [step for step in steps if step.epoch == 0][-1]
    assert steps[-1].step == course.steps, "the schedule must end where the data ends"
    assert steps[-1].losses["entities"] < first.losses["entities"] / 3
    assert steps[-1].losses["relations"] < first.losses["relations"] / 2
    course.finish(course.weights())
    before, after = small_model(encoder).encoder.state_dict(), model.encoder.state_dict()
    changed = {name.split(".")[0] for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed == set(parts) - {"plain"}


def test_words_that_are_no_names_to_us_are_taught_as_none(tmp_path: Path) -> None:
    row: dict[str, object] = {"tokens": ["@ada", "met", "Ada"], "tags": ["B-PER", "O", "B-PER"]}
    write_lines(tmp_path / "own.jsonl", [row])
    source = {"path": "own.jsonl", "types": {"PER": "PER"}}
    tokenizer = small_model().tokenizer

    def possible(**more: object) -> list[list[int]]:
        recipe = TrainSettings.model_validate({"sources": [source | more], "dev": []})
        [example] = gather(tmp_path, tokenizer, recipe).examples
        return [np.flatnonzero(tags).tolist() for tags in example.possible]

    begins = 1 + 2 * ENTITY_TYPES.index("PER")
    assert possible()[0] == possible()[-1] == [begins]
    taught = possible(no_names="@")
    assert 0 in taught[0]
    assert begins not in taught[0]
    assert taught[-1] == [begins]


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_run_that_was_cut_off_ends_with_the_same_bits(tmp_path: Path, average: float) -> None:
    data = write_training_data(tmp_path / "data", rows=3)
    recipe = small_recipe(epochs=3, average=average)
    whole, course = course_of(data, recipe)
    for _ in range(3):
        course.run_epoch(lambda _: None)
    _, first = course_of(data, recipe)
    first.run_epoch(lambda _: None)
    save_checkpoint(tmp_path / "out", first.tensors(), {"epoch": 1})
    resumed, second = course_of(data, recipe)
    stored = read_checkpoint(tmp_path / "out")
    assert stored is not None
    second.restore(stored[0], epoch=1)
    for _ in range(2):
        second.run_epoch(lambda _: None)
    course.finish(course.weights())
    second.finish(second.weights())
    for module, other in ((whole.encoder, resumed.encoder), (whole.heads, resumed.heads)):
        for name, tensor in module.state_dict().items():
            assert torch.equal(tensor, other.state_dict()[name]), name


def test_an_averaged_run_is_judged_and_ends_with_the_mean_of_its_steps(tmp_path: Path) -> None:
    data = write_training_data(tmp_path, rows=3)
    model, course = course_of(data, small_recipe(epochs=1, average=0.9))
    course.run_epoch(lambda _: None)
    last = model.heads.entities.weight.detach().clone()
    mean = course.weights()["heads.entities.weight"]
    assert not torch.equal(mean, last)
    with course.averaged():
        assert torch.equal(model.heads.entities.weight, mean)
    assert torch.equal(model.heads.entities.weight, last)
    course.finish(course.weights())
    assert torch.equal(model.heads.entities.weight, mean)


def test_a_whole_run_writes_a_model_that_opens_a_card_and_a_curve(tmp_path: Path) -> None:
    data = write_training_data(tmp_path / "data", rows=4)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("epochs: 1\nname: try\nrestore_tokens: 4096\nprecision: fp32\n")
    out = tmp_path / "out"
    train(recipe, data=data, out=out)
    model = load_model(ModelSettings(name=str(out), precision="fp32"), labels=DEFAULT_LABELS)
    config = read_config(out)
    assert model.info.name == "try"
    assert config.training is not None
    assert config.training.windows["uner_ewt.train"] > 0
    assert set(config.entity_thresholds) == set(ENTITY_TYPES)
    assert "wikigold.test entities f1 PER LOC" in config.scores
    card = (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert config.heads_sha256 in card
    assert "name: try" in card
    assert "enrich train --data DATA" in render(config, TrainSettings()), "the packaged one's needs no recipe"
    assert (out / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert read_checkpoint(out) is None
    with pytest.raises(ConfigurationError, match="already holds a model"):
        train(recipe, data=data, out=out)


def test_a_teams_own_labels_and_files_are_a_recipe(tmp_path: Path) -> None:
    rng = random.Random(1)
    write_lines(tmp_path / "own.jsonl", [related_row(rng, n, "redocred") for n in range(12)])
    write_lines(tmp_path / "told.jsonl", [summarized_row(n) for n in range(12)])
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        """
        name: ours
        precision: fp32
        epochs: 2
        packaged_extras: false
        restore_tokens: 4096
        entity_types: [PERSON, PLACE]
        relation_types: [{name: came_from, heads: [PERSON], tails: [PLACE]}]
        sources:
          - path: own.jsonl
            form: related
            heldout: 3
            types: {PER: PERSON, LOC: PLACE}
            relations: {place of birth: came_from}
        dev: []
        summaries: [{path: told.jsonl, attribution: our minutes}]
        """
    )
    train(recipe, data=tmp_path, out=tmp_path / "out")
    config = read_config(tmp_path / "out")
    assert (config.entity_types, [r.name for r in config.relation_types]) == (("PERSON", "PLACE"), ["came_from"])
    assert StageName.SUMMARY in config.stages
    assert config.quoting is not None
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "own" in card
    assert "our minutes" in card


def test_a_checkpoint_of_another_recipe_is_not_taken_up(tmp_path: Path) -> None:
    data = write_training_data(tmp_path / "data", rows=3)
    save_checkpoint(tmp_path / "out", {}, {"recipe": "another", "epoch": 1})
    with pytest.raises(ConfigurationError, match="another recipe"):
        train(None, data=data, out=tmp_path / "out")


@pytest.mark.parametrize(
    "content",
    ["epochs: 0", "epoch: 3", "epochs: [", "[1]", "sources: [{path: a.jsonl, form: related, no_names: '@'}]"],
)
def test_a_recipe_that_cannot_work_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as error:
        read_recipe(path)
    assert "\n" not in str(error.value)


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"uner_ewt\.train\.jsonl"):
        train(None, data=tmp_path, out=tmp_path / "out")
