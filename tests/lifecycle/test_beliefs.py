"""Teachers are believed about what somebody taught them; an earlier model about the rest."""

from __future__ import annotations

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
from workers.lifecycle.gathering import gather
from workers.lifecycle.learning import read
from workers.lifecycle.teaching import taught
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


def test_entities_in_texts_that_teach_relations_alone_are_the_earlier_models(tmp_path: Path) -> None:
    data = write_training_data(tmp_path / "data", rows=4)
    recipe = taught_recipe(write_encoder(tmp_path / "bert", "bert"), data, earlier="default")
    assert recipe.teacher is not None
    model = first_model(recipe)
    gathered = gather(data, model.tokenizer, recipe)
    examples = taught(model, gathered, recipe, recipe.teacher, device=CPU, out=tmp_path)
    earlier = open_model(ModelSettings())
    compared = 0
    for example in examples:
        assert example.soft is not None
        assert example.soft.open_tags.tolist() == [True] + [False] * (len(example.soft.open_tags) - 1), "all is learned"
        if not example.teaches_tags:
            batch = make_batch([example], CPU)
            with torch.inference_mode():
                tags, _ = read(earlier.encoder, earlier.heads, batch, dropout=0.0, dtype=torch.float32)
            np.testing.assert_allclose(example.soft.tags, torch.softmax(tags, dim=1).numpy(), atol=2e-3)
            compared += 1
    assert compared > 1


@pytest.mark.parametrize(
    ("values", "said"),
    [({"entity_types": ["PER"], "relation_types": []}, "other entity types"), ({}, "other word pieces")],
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
