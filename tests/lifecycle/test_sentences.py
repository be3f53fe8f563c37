"""The sentence branch says what the trunk said before the layers under it were changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.fakes.training_data import write_training_data
from tests.lifecycle.test_train import SMALL, course_of, small_model, small_recipe
from workers.lifecycle.gathering import gather
from workers.lifecycle.sentences import begin_from, restore_sentences


@pytest.mark.parametrize(
    ("count", "taken"), [(1, [4]), (2, [0, 4]), (3, [0, 2, 4]), (4, [0, 2, 3, 4]), (5, [0, 1, 2, 3, 4])]
)
def test_a_branch_begins_with_layers_at_even_distances_that_end_with_the_last(count: int, taken: list[int]) -> None:
    trunk = nn.ModuleList(nn.Linear(1, 1) for _ in range(5))
    branch = nn.ModuleList(nn.Linear(1, 1) for _ in range(count))
    begin_from(branch, trunk)
    for layer, number in zip(branch, taken, strict=True):
        assert all(map(torch.equal, layer.parameters(), trunk[number].parameters()))


@pytest.mark.parametrize("layers", [None, 1])
def test_the_sentence_branch_says_again_what_the_trunk_says(tmp_path: Path, layers: int | None) -> None:
    data = write_training_data(tmp_path)
    recipe = small_recipe(epochs=4, encoder_rate=5e-3)
    model, course = course_of(data, recipe, SMALL.model_copy(update={"plain_layers": layers}))
    for _ in range(recipe.epochs):
        course.run_epoch(lambda _: None)
    windows = [example.window for example in gather(data, model.tokenizer, recipe).examples]
    losses: list[float] = []
    trunk = small_model(SMALL.model_copy(update={"case_at": "branch"})).encoder.eval()
    begin_from(model.encoder.plain, trunk.plain)
    restore_sentences(
        model,
        trunk,
        windows,
        tokens=20_000,
        batch_tokens=512,
        rate=2e-3,
        seed=1,
        dtype=torch.float32,
        report=lambda step, steps, loss: losses.append(loss),
    )
    assert sum(losses[-5:]) < sum(losses[:5]) / 2
