"""Reading a team's files: their keys, the draw, the split, and one line for what cannot work."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.labelled_texts import recipe_text, write_labelled
from tests.fakes.training_data import write_lines
from workers.errors import ConfigurationError
from workers.lifecycle.classifier_data import gather_lessons
from workers.lifecycle.classifier_learning import batches_of
from workers.lifecycle.classifier_recipe import ClassifierRecipe, read_classifier_recipe
from workers.lifecycle.recipe_file import task_of


def recipe_of(folder: Path, *lines: str) -> ClassifierRecipe:
    path = folder / "recipe.yaml"
    path.write_text(recipe_text("default", *lines), encoding="utf-8")
    return read_classifier_recipe(path)


def test_a_draw_is_equal_for_all_labels_and_the_same_again(tmp_path: Path) -> None:
    write_labelled(tmp_path)
    recipe = recipe_of(tmp_path, "per_class: 5")
    lessons, again = gather_lessons(tmp_path, recipe), gather_lessons(tmp_path, recipe)
    assert lessons == again
    assert Counter(topic.label for topic in lessons.train) == {"delivery": 5, "login": 5, "refund": 5}
    other = gather_lessons(tmp_path, recipe.model_copy(update={"seed": 8}))
    assert other.train != lessons.train


def test_dev_is_cut_out_of_every_label_and_not_learned_from(tmp_path: Path) -> None:
    write_labelled(tmp_path)
    write_lines(tmp_path / "train.jsonl", [{"message": f"{n}", "intent": "abc"[n % 3]} for n in range(60)])
    lessons = gather_lessons(tmp_path, recipe_of(tmp_path, "dev: []", "test: []", "dev_share: 0.2"))
    assert Counter(topic.label for topic in lessons.dev) == {"a": 4, "b": 4, "c": 4}
    assert not {topic.text for topic in lessons.dev} & {topic.text for topic in lessons.train}
    assert len(lessons.train) == 48


def test_a_label_of_few_texts_gives_none_up(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"message": f"text {n}", "intent": "many"} for n in range(20)]
    write_labelled(tmp_path)
    write_lines(tmp_path / "train.jsonl", [*rows, {"message": "alone", "intent": "few"}])
    lessons = gather_lessons(tmp_path, recipe_of(tmp_path, "dev: []", "test: []"))
    assert {topic.label for topic in lessons.dev} == {"many"}
    assert "alone" in {topic.text for topic in lessons.train}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "a", "intent": "b"}, "record 2 has no text under `message`"),
        ({"message": " ", "intent": "b"}, "record 2 has no text under `message`"),
        ({"message": "a", "label": "b"}, "record 2 has no label under `intent`"),
        ({"message": "a", "intent": ["b"]}, "record 2 has no label under `intent`"),
        ({"message": "a", "intent": "refund"}, "has 1 label: two or more"),
    ],
)
def test_records_that_do_not_fit_are_named(tmp_path: Path, row: dict[str, object], message: str) -> None:
    write_labelled(tmp_path)
    write_lines(tmp_path / "train.jsonl", [{"message": "x", "intent": "refund"}, row])
    with pytest.raises(ConfigurationError, match=message.replace("has 1", "have 1")) as error:
        gather_lessons(tmp_path, recipe_of(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["dev", "test"])
def test_a_label_that_nobody_teaches_is_refused_before_the_run(tmp_path: Path, name: str) -> None:
    write_labelled(tmp_path)
    write_lines(tmp_path / f"{name}.jsonl", [{"message": "x", "intent": "returns"}])
    with pytest.raises(ConfigurationError, match=f"{name}: the training files do not teach the label `returns`"):
        gather_lessons(tmp_path, recipe_of(tmp_path))


def test_a_description_of_no_label_is_refused(tmp_path: Path) -> None:
    write_labelled(tmp_path)
    with pytest.raises(ConfigurationError, match="descriptions of `returns`"):
        gather_lessons(tmp_path, recipe_of(tmp_path, "descriptions: {returns: sending things back}"))


@pytest.mark.parametrize(
    "lines", ["epochs: 0", "epoch: 3", "train: []", "tune: some", "tune: upper\nstart: null", "average: 1.0"]
)
def test_a_recipe_that_cannot_work_is_refused_in_one_line(tmp_path: Path, lines: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        recipe_of(tmp_path, *lines.split("\n"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "ours"), [("task: classification", True), ("epochs: 3", False), ("[1]", False), ("a: [", False)]
)
def test_a_recipe_is_told_by_its_task(tmp_path: Path, content: str, ours: bool) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content)
    assert (task_of(path) == "classification") is ours
    assert task_of(tmp_path / "absent.yaml") is None


@given(lengths=st.lists(st.integers(1, 90), min_size=1, max_size=200), seed=st.integers(0, 9))
def test_batches_hold_every_text_once_and_no_more_than_fits(lengths: list[int], seed: int) -> None:
    batches = batches_of(lengths, 128, random.Random(seed))
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or max(lengths[n] for n in batch) * len(batch) <= 128 for batch in batches)
    assert batches == batches_of(lengths, 128, random.Random(seed))
