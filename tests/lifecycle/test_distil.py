"""Distillation: the student comes closer to the teacher on texts it never saw, and a run that was stopped goes on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson
import pytest
import torch
import yaml

from schemas.base import StageName
from tests.fakes.tiny_checkpoints import write_classifier, write_tagger
from tests.fakes.tiny_model import tiny_loaded, write_tiny
from workers.errors import ConfigurationError
from workers.lifecycle import distil as distil_module
from workers.lifecycle.distil import distil
from workers.lifecycle.distil_labels import FOLDER, label_texts
from workers.lifecycle.distil_learning import DistilCourse
from workers.lifecycle.distil_recipe import DistilSettings
from workers.lifecycle.distil_teacher import SoftText, open_teacher
from workers.models.config import HEADS_FILE
from workers.models.folder import open_model, save_model
from workers.settings import ModelSettings

WORDS = ["Ada", "Alan", "Grace", "met", "lived", "in", "Rome", "Paris", "and", "the", "old", "city", "was", "born"]


def corpus(folder: Path, *, texts: int = 40) -> Path:
    rng = random.Random(3)
    rows = [{"id": str(n), "text": " ".join(rng.choices(WORDS, k=rng.randint(3, 12))) + "."} for n in range(texts)]
    folder.mkdir(exist_ok=True)
    (folder / "texts.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return folder


class Bench:
    """A teacher and a student of like size and other heads, texts, and a recipe."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, corpus(folder / "data")
        self.teacher = write_tiny(folder)
        torch.manual_seed(99)
        student = tiny_loaded()
        torch.nn.init.normal_(student.heads.entities.weight, std=0.05)
        save_model(folder / "student", student, student.config)
        self.trunk = folder / "trunk"

    def recipe(self, **values: object) -> Path:
        teacher = {"kind": "shared", "name": self.teacher.name, "trunk": str(self.trunk)}
        given = {
            "name": "small",
            "teacher": teacher,
            "student": str(self.folder / "student"),
            "trunk": str(self.trunk),
            "corpus": ["texts.jsonl"],
            "heldout": 0.2,
            "epochs": 2,
            "batch_tokens": 256,
            "encoder_rate": 3e-3,
            "heads_rate": 1e-2,
            "texts_per_file": 16,
        }
        path = self.folder / "recipe.yaml"
        path.write_text(yaml.safe_dump(given | values), encoding="utf-8")
        return path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_student_comes_closer_on_texts_it_never_saw(bench: Bench) -> None:
    stored = distil(bench.recipe(), data=bench.data, out=bench.folder / "out")
    scores = stored.scores
    before, after = (scores[f"held-out divergence from the teacher, nats, {when}"] for when in ("before", "after"))
    assert after < 0.8 * before
    agreed = [scores[f"held-out words whose tag is the teacher's, {when}"] for when in ("before", "after")]
    assert agreed[1] > agreed[0]
    assert stored.stages == (StageName.ENTITIES, StageName.CLASSIFICATION, StageName.SUMMARY)
    opened = open_model(ModelSettings(name=str(bench.folder / "out"), trunk=bench.trunk))
    assert opened.config.name == "small"
    card = (bench.folder / "out" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"{scores['held-out words whose tag is the teacher' + chr(39) + 's, after']}" in card
    kept, start = (
        opened.encoder,
        open_model(ModelSettings(name=str(bench.folder / "student"), trunk=bench.trunk)).encoder,
    )
    for ours, theirs in zip(kept.plain.parameters(), start.plain.parameters(), strict=True):
        assert torch.equal(ours, theirs), "the branch of labels and summaries must stay as it was"


def test_a_run_that_was_stopped_ends_with_the_same_bits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    distil(bench.recipe(), data=bench.data, out=bench.folder / "whole")
    run_epoch = DistilCourse.run_epoch

    def dies_in_the_second(self: DistilCourse, report: object) -> None:
        if self.epoch == 1:
            raise KeyboardInterrupt
        run_epoch(self, report)  # type: ignore[arg-type]

    monkeypatch.setattr(DistilCourse, "run_epoch", dies_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        distil(bench.recipe(), data=bench.data, out=bench.folder / "parts")
    monkeypatch.setattr(DistilCourse, "run_epoch", run_epoch)
    labelled = {file: file.stat().st_mtime_ns for file in (bench.folder / "parts" / FOLDER).iterdir()}
    again = distil(bench.recipe(), data=bench.data, out=bench.folder / "parts")
    assert {file: file.stat().st_mtime_ns for file in labelled} == labelled
    assert len(labelled) == 3
    one, other = ((bench.folder / name / HEADS_FILE).read_bytes() for name in ("whole", "parts"))
    assert one == other
    assert again.scores == open_model(ModelSettings(name=str(bench.folder / "whole"), trunk=bench.trunk)).config.scores


def test_another_recipe_does_not_go_on_from_a_checkpoint(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(distil_module, "save_model", dies)
    with pytest.raises(KeyboardInterrupt):
        distil(bench.recipe(epochs=1), data=bench.data, out=bench.folder / "out")
    with pytest.raises(ConfigurationError, match="another recipe"):
        distil(bench.recipe(epochs=1, temperature=3.0), data=bench.data, out=bench.folder / "out")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"corpus": ["nowhere.jsonl"]}, "nowhere"),
        ({"unknown": 1}, "unknown"),
        ({"teacher": {"kind": "openai"}}, "teacher"),
        ({"entity_types": ["GENE"]}, "knows PER, LOC"),
    ],
)
def test_what_cannot_work_is_one_line(bench: Bench, values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as error:
        distil(bench.recipe(**values), data=bench.data, out=bench.folder / "out")
    assert "\n" not in str(error.value)


class Counting:
    """A teacher that says the length of the text, and counts how often it is asked."""

    name, revision, tags, labels = "counting", "1", ("O", "B-PER"), ("short", "long")

    def __init__(self) -> None:
        self.asked: list[str] = []

    def say(self, texts: Sequence[str]) -> list[SoftText]:
        self.asked += texts
        place = np.zeros(1, np.int32)
        return [
            SoftText(place, place + 1, np.full((1, 2), len(text), np.float32), np.full(2, 0.1, np.float32))
            for text in texts
        ]


def test_soft_labels_are_asked_for_once_and_belong_to_their_texts(tmp_path: Path) -> None:
    teacher, texts = Counting(), ["a", "bb", "ccc", "dddd", "eeeee"]
    first = label_texts(teacher, texts, tmp_path, per_file=2, report=lambda _: None)
    assert teacher.asked == texts
    done: list[int] = []
    second = label_texts(teacher, texts, tmp_path, per_file=2, report=done.append)
    assert teacher.asked == texts
    assert done == [2, 4, 5]
    for one, other in zip(first, second, strict=True):
        for name in ("starts", "ends", "tags", "labels"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
    (tmp_path / FOLDER / "00001.safetensors").unlink()
    label_texts(teacher, texts, tmp_path, per_file=2, report=lambda _: None)
    assert teacher.asked == [*texts, "ccc", "dddd"]
    with pytest.raises(ConfigurationError, match="other texts"):
        label_texts(teacher, ["x", *texts[1:]], tmp_path, per_file=2, report=lambda _: None)
    (tmp_path / FOLDER / "00000.safetensors").write_bytes(b"half")
    with pytest.raises(ConfigurationError, match="damaged"):
        label_texts(teacher, texts, tmp_path, per_file=2, report=lambda _: None)


TEXTS = ["Anna lives in Paris", "the company", "a new year in Berlin with Carla " * 30]


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_a_transformers_tagger_teaches(tmp_path: Path, family: str) -> None:
    folder = write_tagger(tmp_path / "tagger", family)
    recipe = DistilSettings.model_validate(
        {
            "name": "x",
            "corpus": ["y"],
            "teacher": {"kind": "token-classification", "name": str(folder), "precision": "fp32"},
        }
    )
    teacher = open_teacher(recipe.teacher)
    assert teacher.tags == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    for text, soft in zip(TEXTS, teacher.say(TEXTS), strict=True):
        words = [text[start:end].strip() for start, end in zip(soft.starts, soft.ends, strict=True)]
        assert list(filter(None, words)) == text.split()
        assert soft.tags.shape == (len(words), 5)
        assert soft.tags.any(axis=1).all()


def test_a_tagger_that_does_not_mark_beginnings_is_refused(tmp_path: Path) -> None:
    folder = write_tagger(tmp_path / "tagger", "bert", labels=("O", "I-PER"))
    recipe = DistilSettings.model_validate(
        {"name": "x", "corpus": ["y"], "teacher": {"kind": "token-classification", "name": str(folder)}}
    )
    with pytest.raises(ConfigurationError, match="where an entity begins"):
        open_teacher(recipe.teacher)


def test_a_transformers_classifier_teaches_its_labels(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    folder = write_classifier(tmp_path / "labels", "bert", labels=("sport", "business", "politics"))
    teacher = {"kind": "sequence-classification", "name": str(folder), "precision": "fp32"}
    stored = distil(bench.recipe(teacher=teacher), data=bench.data, out=tmp_path / "out")
    assert stored.classifier is not None
    assert stored.classifier.labels == ("sport", "business", "politics")
    before, after = (stored.scores[f"held-out divergence from the teacher, nats, {w}"] for w in ("before", "after"))
    assert after < before
    assert StageName.SUMMARY not in stored.stages
    open_model(ModelSettings(name=str(tmp_path / "out"), trunk=bench.trunk))


def test_labelled_examples_are_learned_beside(bench: Bench) -> None:
    row = {"tokens": ["Ada", "lived", "in", "Rome", "."], "tags": ["B-PER", "O", "O", "B-LOC", "O"]}
    (bench.data / "own.jsonl").write_bytes(orjson.dumps(row) + b"\n")
    hard = [{"path": "own.jsonl", "types": {"PER": "PER", "LOC": "LOC"}}]
    with_hard = distil(bench.recipe(hard=hard, epochs=1), data=bench.data, out=bench.folder / "hard")
    without = distil(bench.recipe(epochs=1), data=bench.data, out=bench.folder / "soft_only")
    assert with_hard.heads_sha256 != without.heads_sha256
