"""A run on a CUDA device, teachers and all: the model that comes of it is for any device."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from tests.fakes.tiny_teacher import write_encoder
from tests.fakes.training_data import write_training_data
from tests.lifecycle.test_teaching import taught_recipe
from workers.lifecycle.train import train
from workers.models.shared import load_model
from workers.settings import DEFAULT_LABELS, ModelSettings

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here"),
]


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_whole_run_on_a_gpu_makes_a_model_that_opens_on_a_cpu(tmp_path: Path, average: float) -> None:
    data = write_training_data(tmp_path / "data", rows=4)
    told = taught_recipe(write_encoder(tmp_path / "mpnet", "mpnet"), data, average=average, device="cuda")
    values = told.model_dump(mode="json", exclude_defaults=True) | {"epochs": 2, "restore_tokens": 4096, "name": "try"}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(values))
    train(recipe, data=data, out=tmp_path / "out")
    model = load_model(ModelSettings(name=str(tmp_path / "out"), device="cpu"), labels=DEFAULT_LABELS)
    assert model.info.name == "try"
