"""Teachers are believed about what somebody taught them; an earlier model about the rest."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.tiny_teacher import write_encoder
from tests.fakes.training_data import write_training_data
from tests.lifecycle.test_teaching import CPU, taught_recipe
from tests.lifecycle.test_train import small_model
from workers.errors import ConfigurationError
from workers.lifecycle.batches import make_batch
from workers.lifecycle.beliefs import Probabilities, completed
from workers.lifecycle.examples import Example
from workers.lifecycle.gathering import gather
from workers.lifecycle.labels import ENTITY_TYPES, RELATION_TYPES
from workers.lifecycle.labelspace import LabelSpace
from workers.lifecycle.learning import read
from workers.lifecycle.teaching import FOLDER, taught
from workers.lifecycle.train import first_model
from workers.models.folder import open_model
from workers.settings import ModelSettings

TAGS = 5


@st.composite
def distributions(draw: st.DrawFn) -> Probabilities:
    seed = draw(st.integers(0, 2**32 - 1))
    sharpness = draw(st.sampled_from([0.05, 1.0, 20.0]))
    rows = np.random.default_rng(seed).dirichlet(np.full(TAGS, 1 / sharpness), size=3)
    return rows.astype(np.float16)


@given(told=distributions(), earlier=distributions(), undecided=st.sets(st.integers(0, TAGS - 1), min_size=1))
def test_the_earlier_model_only_divides_what_teachers_left_undecided(
    told: Probabilities, earlier: Probabilities, undecided: set[int]
) -> None:
    among = np.isin(np.arange(TAGS), list(undecided))
    found = completed(told, earlier, among).astype(np.float32)
    left = told[:, among].astype(np.float32).sum(axis=1)
    theirs = earlier[:, among].astype(np.float32)
    np.testing.assert_array_equal(found[:, ~among], told[:, ~among])
    decided = theirs.sum(axis=1) > 1e-3  # below, fp16 has no shares to tell
    np.testing.assert_allclose(found[decided][:, among].sum(axis=1), left[decided], atol=2e-3)
    shares = theirs[decided] / theirs[decided].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found[decided][:, among], left[decided][:, None] * shares, atol=2e-3)


def test_what_nobody_thinks_of_stays_without_belief() -> None:
    none = np.zeros((1, TAGS), dtype=np.float16)
    assert not completed(none, none, np.ones(TAGS, dtype=bool)).any()


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str | None], list[Example]]:
    """Examples as teachers teach them, beside an earlier model or beside none. The teachers are the same ones."""
    folder = tmp_path_factory.mktemp("beliefs")
    data, encoder = write_training_data(folder / "data", rows=4), write_encoder(folder / "bert", "bert")

    @cache
    def learned(earlier: str | None) -> list[Example]:
        recipe = taught_recipe(encoder, data, earlier=earlier)
        assert recipe.teacher is not None
        model = first_model(recipe)
        gathered = gather(data, model.tokenizer, recipe)
        return taught(model, gathered, recipe, recipe.teacher, device=CPU, out=folder / str(earlier))

    return learned


def test_what_nobody_taught_the_teachers_is_learned_from_the_earlier_model(
    lesson: Callable[[str | None], list[Example]],
) -> None:
    earlier, labels = open_model(ModelSettings()), LabelSpace(ENTITY_TYPES, RELATION_TYPES)
    tags_alone, pairs_compared = 0, 0
    for example, alone in zip(lesson("default"), lesson(None), strict=True):
        assert example.soft is not None
        assert alone.soft is not None
        assert example.soft.open_tags.tolist() == [True] + [False] * (len(example.soft.open_tags) - 1), "all is learned"
        batch = make_batch([example], CPU)
        with torch.inference_mode():
            tags, pairs = read(earlier.encoder, earlier.heads, batch, dropout=0.0, dtype=torch.float32)
        if not example.teaches_tags:
            np.testing.assert_allclose(example.soft.tags, torch.softmax(tags, dim=1).numpy(), atol=2e-3)
            tags_alone += 1
        known, soft = example.known, example.soft
        np.testing.assert_array_equal(soft.relations[known], alone.soft.relations[known])
        np.testing.assert_array_equal(alone.soft.believed, known)
        if pairs is not None:
            np.testing.assert_allclose(soft.relations[~known], torch.sigmoid(pairs).numpy()[~known], atol=2e-3)
            types = example.mentions.types
            fitting = labels.fitting[types[example.pairs.heads], types[example.pairs.tails]]
            np.testing.assert_array_equal(soft.believed, fitting)
            pairs_compared += int((fitting & ~known).sum())
    assert tags_alone > 1
    assert pairs_compared > 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"entity_types": ["PER"], "relation_types": []}, "other entity types"),
        ({"relation_types": []}, "other relations"),
        ({}, "other word pieces"),
    ],
)
def test_an_earlier_model_of_something_else_is_refused_in_one_line(
    tmp_path: Path, values: dict[str, object], said: str
) -> None:
    data = write_training_data(tmp_path / "data", rows=4)
    recipe = taught_recipe(write_encoder(tmp_path / "bert", "bert"), data, earlier="default")
    recipe = recipe.model_validate(recipe.model_dump() | values)
    assert recipe.teacher is not None
    model = small_model()
    gathered = gather(data, model.tokenizer, recipe)
    with pytest.raises(ConfigurationError, match=said) as error:
        taught(model, gathered, recipe, recipe.teacher, device=CPU, out=tmp_path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / FOLDER).exists(), "before anything is learned"
