"""Teachers read what the model reads, say what they think of every example, and the model learns it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoModel

from tests.fakes.tiny_teacher import write_encoder
from tests.fakes.training_data import summarized_row, write_lines, write_training_data
from tests.lifecycle.test_train import SMALL, small_model, small_recipe
from workers.errors import ConfigurationError
from workers.lifecycle import teaching
from workers.lifecycle.batches import make_batch
from workers.lifecycle.examples import Example
from workers.lifecycle.gathering import OTHER_NAMES, UNLABELLED, TrainingData, gather
from workers.lifecycle.labels import ENTITY_TYPES
from workers.lifecycle.learning import ExtractionCourse, Losses, read, step_loss, teacher_losses
from workers.lifecycle.recipe import TrainSettings
from workers.lifecycle.schooling import Step
from workers.lifecycle.teacher_encoder import LargeEncoder
from workers.lifecycle.teacher_recipe import TeacherSettings
from workers.lifecycle.teaching import taught
from workers.lifecycle.train import train
from workers.models.config import read_config, revision_of
from workers.models.store import find_model

CPU = torch.device("cpu")
FAMILIES = ("bert", "mpnet")


def taught_recipe(folder: Path, data: Path, *, earlier: str | None = None, **values: object) -> TrainSettings:
    write_lines(data / "told.jsonl", [{"text": str(summarized_row(n)["text"])} for n in range(3)])
    return small_recipe(
        teacher={
            "encoder": str(folder),
            "earlier": earlier,
            "encoder_rates": [1e-3, 2e-3],
            "heads_rate": 1e-2,
            "epochs": 6,
            "batch_tokens": 512,
        },
        unlabelled=[{"path": "told.jsonl", "attribution": "our notes"}],
        renamed=1,
        **values,
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_it_reads_our_word_pieces_as_its_own(tmp_path: Path, family: str) -> None:
    folder = write_encoder(tmp_path / family, family)
    model = small_model()
    encoder = LargeEncoder(folder, model.tokenizer.vocabulary()).eval()
    [window] = gather(_one_text(tmp_path), model.tokenizer, _one_source()).examples
    batch = make_batch([window], CPU)
    own = AutoModel.from_pretrained(folder).eval()
    shift = 4 if family == "mpnet" else 0
    theirs = batch.ids + shift
    if family == "mpnet":
        theirs[0, 0], theirs[0, len(window.window.ids) - 1], theirs[0, len(window.window.ids) :] = 0, 2, 1
    mask = batch.mask[:, 0, 0, :].long()
    with torch.inference_mode():
        found = encoder.read_tuned(encoder.read_lower(batch.ids, batch.mask, batch.shapes), batch.mask, batch.shapes)
        expected = own(input_ids=theirs, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(found[mask.bool()], expected[mask.bool()])


def _one_text(folder: Path) -> Path:
    write_lines(folder / "own.jsonl", [{"tokens": ["Ada", "met", "Grace"], "tags": ["B-PER", "O", "B-PER"]}])
    return folder


def _one_source() -> TrainSettings:
    return TrainSettings.model_validate({"sources": [{"path": "own.jsonl", "types": {"PER": "PER"}}], "dev": []})


def test_an_encoder_with_other_word_pieces_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "bert", "bert", without="london")
    with pytest.raises(ConfigurationError, match="london") as error:
        LargeEncoder(folder, small_model().tokenizer.vocabulary())
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainSettings, TrainingData, list[Example]]:
    """A folder with what teachers said, the recipe, what was gathered, and the taught examples."""
    folder = tmp_path_factory.mktemp("lesson")
    data = write_training_data(folder / "data", rows=6)
    recipe = taught_recipe(write_encoder(folder / "mpnet", "mpnet"), data)
    model = small_model()
    gathered = gather(data, model.tokenizer, recipe)
    assert recipe.teacher is not None
    return folder, recipe, gathered, taught(model, gathered, recipe, recipe.teacher, device=CPU, out=folder)


def test_they_say_what_they_think_of_every_example(
    lesson: tuple[Path, TrainSettings, TrainingData, list[Example]],
) -> None:
    _, _, gathered, examples = lesson
    assert len(examples) == len(gathered.examples) + len(gathered.renamed) + len(gathered.unlabelled)
    asked = set()
    for example in examples:
        assert example.soft is not None
        assert example.soft.relations.shape == example.targets.shape
        sums = example.soft.tags.astype(np.float32).sum(axis=1)
        np.testing.assert_allclose(sums, 1.0 if example.teaches_tags else 0.0, atol=0.01)
        asked.add((example.source, int(example.open_tags.sum())))
    tags = 1 + 2 * len(ENTITY_TYPES)
    assert ("redocred.dev", 1) in asked, "annotates all"
    assert ("uner_ewt.train", tags - 6) in asked, "annotates three types"
    assert ("knowledgenet.train", tags) in asked, "teaches relations alone"
    assert ("unlabelled", tags - 6) in asked, "what every source annotates"


def test_they_learned_the_labels_and_answers_stand_with_the_texts_they_are_of(
    lesson: tuple[Path, TrainSettings, TrainingData, list[Example]],
) -> None:
    right, pairs, others = [], [], []
    for example in lesson[3]:
        assert example.soft is not None
        named = (example.possible.sum(axis=1) == 1) & ~example.possible[:, 0]
        right += example.soft.tags[named][example.possible[named]].tolist()
        pairs += example.soft.relations[example.targets].tolist()
        others += example.soft.relations[example.known & ~example.targets].tolist()
    assert len(right) > 100
    assert np.mean(right) > 0.8
    assert np.mean(pairs) > 2 * np.mean(others)


def test_answers_are_of_the_labels_that_were_learned(
    lesson: tuple[Path, TrainSettings, TrainingData, list[Example]],
) -> None:
    folder, recipe, gathered, _ = lesson
    assert recipe.teacher is not None
    first = gathered.examples[0]
    mended = replace(gathered, examples=[replace(first, possible=~first.possible), *gathered.examples[1:]])
    with pytest.raises(ConfigurationError, match="other texts"):
        taught(small_model(), mended, recipe, recipe.teacher, device=CPU, out=folder)


def test_an_encoder_that_reads_less_than_a_window_is_refused_in_one_line(
    lesson: tuple[Path, TrainSettings, TrainingData, list[Example]], tmp_path: Path
) -> None:
    _, recipe, gathered, _ = lesson
    longer = recipe.model_copy(update={"max_tokens": 510})
    short = write_encoder(tmp_path / "short", "bert", positions=300)
    settings = TeacherSettings(encoder=str(short))
    with pytest.raises(ConfigurationError, match="max_tokens asks for 512") as error:
        taught(small_model(), gathered, longer, settings, device=CPU, out=tmp_path)
    assert "\n" not in str(error.value)


def test_a_step_weighs_labels_and_teachers_as_the_recipe_says() -> None:
    labels, teachers = (Losses(torch.tensor(a), torch.tensor(b)) for a, b in ((1.0, 10.0), (100.0, 1_000.0)))
    told = {"encoder": "any", "weight": 3, "label_weight": 0.5}
    recipe = TrainSettings.model_validate({"teacher": told, "relation_weight": 2})
    assert float(step_loss(labels, teachers, recipe)) == 0.5 * 21 + 3 * 2_100
    assert float(step_loss(labels, None, TrainSettings(relation_weight=2))) == 21


def test_what_was_said_is_not_asked_again(
    lesson: tuple[Path, TrainSettings, TrainingData, list[Example]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, recipe, gathered, examples = lesson
    assert recipe.teacher is not None

    def no_lesson(*_: object, **__: object) -> None:
        raise AssertionError("a teacher learned again")

    monkeypatch.setattr(teaching, "_learn", no_lesson)
    again = taught(small_model(), gathered, recipe, recipe.teacher, device=CPU, out=folder)
    for here, there in zip(again, examples, strict=True):
        assert here.soft is not None
        assert there.soft is not None
        np.testing.assert_array_equal(here.soft.tags, there.soft.tags)
        np.testing.assert_array_equal(here.soft.relations, there.soft.relations)


@pytest.mark.parametrize("damage", ["another recipe", "damaged"])
def test_answers_of_others_are_refused_in_one_line(
    lesson: tuple[Path, TrainSettings, TrainingData, list[Example]], tmp_path: Path, damage: str
) -> None:
    folder, recipe, gathered, _ = lesson
    assert recipe.teacher is not None
    (tmp_path / teaching.FOLDER).mkdir()
    stored = (folder / teaching.FOLDER / "0.safetensors").read_bytes()
    (tmp_path / teaching.FOLDER / "0.safetensors").write_bytes(stored[: len(stored) if damage != "damaged" else 60])
    other = recipe.model_copy(update={"seed": 8})
    with pytest.raises(ConfigurationError, match=damage) as error:
        taught(small_model(), gathered, other, recipe.teacher, device=CPU, out=tmp_path)
    assert "\n" not in str(error.value)


def test_the_model_comes_to_think_like_them(
    lesson: tuple[Path, TrainSettings, TrainingData, list[Example]],
) -> None:
    """Also of texts about which nobody said anything else."""
    _, recipe, gathered, examples = lesson
    quick = recipe.model_copy(update={"epochs": 12, "batch_tokens": 512, "encoder_rate": 2e-3, "heads_rate": 1e-2})
    model = small_model(SMALL)
    unlabelled = make_batch(examples[-len(gathered.unlabelled) :][:1], CPU)

    def apart() -> float:
        with torch.no_grad():
            tags, pairs = read(model.encoder, model.heads, unlabelled, dropout=0.0, dtype=torch.float32)
            losses = teacher_losses(tags, pairs, unlabelled)
            assert losses is not None
            return float(losses.entities)

    before = apart()
    course = ExtractionCourse(model, examples, quick, torch.float32)
    steps: list[Step] = []
    for _ in range(quick.epochs):
        course.run_epoch(steps.append)
    assert set(steps[-1].losses) == {"entities", "relations", "teachers' entities", "teachers' relations"}
    assert apart() < before
    first = [step for step in steps if step.epoch == 0][-1]
    for name in ("teachers' entities", "teachers' relations"):
        assert steps[-1].losses[name] < first.losses[name]


def test_a_whole_run_names_its_teachers_and_leaves_nothing_of_them(tmp_path: Path) -> None:
    data = write_training_data(tmp_path / "data", rows=4)
    told = taught_recipe(write_encoder(tmp_path / "bert", "bert"), data, earlier="default").model_dump(
        mode="json", exclude_defaults=True
    )
    values: dict[str, Any] = told | {"epochs": 1, "name": "try", "restore_tokens": 4096, "packaged_extras": False}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(values))
    out = tmp_path / "out"
    train(recipe, data=data, out=out)
    training = read_config(out).training
    assert training is not None
    assert training.windows[OTHER_NAMES] > 0
    assert training.windows[UNLABELLED] == 3
    card = (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "2 teachers, bert" in card
    assert "our notes" in card
    assert training.earlier == revision_of(read_config(find_model("default")))
    assert f"what revision `{training.earlier}` thinks" in card
    assert not (out / teaching.FOLDER).exists()
