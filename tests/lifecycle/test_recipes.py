"""The recipes that come with the project can be read, whatever they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.trained import RECIPES, TESTS, WITH_TEACHER
from workers.lifecycle.classifier_recipe import read_classifier_recipe
from workers.lifecycle.recipe import TrainSettings, read_recipe
from workers.lifecycle.recipe_file import task_of

FILES = sorted(RECIPES.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recipe_can_be_read(path: Path) -> None:
    read = read_classifier_recipe if task_of(path) == "classification" else read_recipe
    assert read(path).name


def test_every_recipe_but_the_packaged_models_is_trained_and_scored() -> None:
    assert {path.stem for path in FILES} - {"packaged"} == set(TESTS | WITH_TEACHER)


def test_the_packaged_models_teachers_read_what_the_model_reads() -> None:
    recipe = read_recipe(RECIPES / "packaged.yaml")
    assert recipe.teacher is not None
    assert recipe.teacher.attribution
    assert recipe.sources == TrainSettings().sources


def test_texts_without_labels_want_a_teacher() -> None:
    with pytest.raises(ValueError, match="without a teacher"):
        TrainSettings.model_validate({"unlabelled": [{"path": "told.jsonl"}]})
