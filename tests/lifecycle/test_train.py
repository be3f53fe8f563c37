"""Training learns, repeats itself, and writes a model that opens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.fakes.tiny_model import tiny_trunk
from tests.fakes.training_data import write_training_data
from workers.errors import ConfigurationError
from workers.lifecycle.labels import ENTITY_TYPES, RELATION_TYPES
from workers.lifecycle.learning import Progress, learn
from workers.lifecycle.recipe import TrainSettings, gather, read_recipe
from workers.lifecycle.train import train
from workers.models.config import EncoderShape, ModelConfig, read_config
from workers.models.folder import LoadedModel, blank_model
from workers.models.shared import load_model
from workers.settings import DEFAULT_LABELS, ModelSettings


def small_model() -> LoadedModel:
    torch.manual_seed(3)
    config = ModelConfig(
        name="small",
        trunk_sha256="",
        tokenizer_sha256="",
        heads_sha256="",
        encoder=EncoderShape(layers=4, shared_layers=2, attention_heads=4),
        entity_types=ENTITY_TYPES,
        relation_types=RELATION_TYPES,
    )
    return blank_model(config, tiny_trunk())


def run(data: Path, recipe: TrainSettings) -> tuple[LoadedModel, list[Progress]]:
    model, steps = small_model(), list[Progress]()
    gathered = gather(data, model.tokenizer, recipe)
    learn(model, gathered.examples, recipe, dtype=torch.float32, report=steps.append)
    return model, steps


def test_it_learns_what_the_data_teach_and_leaves_the_trunk_alone(tmp_path: Path) -> None:
    data = write_training_data(tmp_path)
    recipe = TrainSettings(
        epochs=20, batch_tokens=512, encoder_rate=2e-3, heads_rate=1e-2, heldout_documents=2, dropout=0
    )
    model, steps = run(data, recipe)
    first = [step for step in steps if step.epoch == 0][-1]
    assert steps[-1].step == steps[-1].steps, "the schedule must end where the data ends"
    assert steps[-1].entity_loss < first.entity_loss / 3
    assert steps[-1].relation_loss < first.relation_loss / 2
    before, after = small_model().encoder.state_dict(), model.encoder.state_dict()
    changed = {name.split(".")[0] for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed == {"case", "tuned"}


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    data = write_training_data(tmp_path, rows=3)
    recipe = TrainSettings(epochs=1, heldout_documents=1)
    one, other = run(data, recipe)[0], run(data, recipe)[0]
    for name, tensor in one.heads.state_dict().items():
        assert torch.equal(tensor, other.heads.state_dict()[name]), name


def test_a_whole_run_writes_a_model_that_opens_and_a_card(tmp_path: Path) -> None:
    data = write_training_data(tmp_path / "data", rows=4)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("epochs: 1\nname: try\nheldout_documents: 2\nprecision: fp32\n")
    train(recipe, data=data, out=tmp_path / "out")
    model = load_model(ModelSettings(name=str(tmp_path / "out"), precision="fp32"), labels=DEFAULT_LABELS)
    config = read_config(tmp_path / "out")
    assert model.info.name == "try"
    assert config.training is not None
    assert config.training.windows["uner_ewt.train"] > 0
    assert "entities wikigold.test F1 PER/ORG/LOC" in config.scores
    assert config.heads_sha256 in (tmp_path / "out" / "MODEL_CARD.md").read_text(encoding="utf-8")
    with pytest.raises(ConfigurationError, match="already holds a model"):
        train(recipe, data=data, out=tmp_path / "out")


@pytest.mark.parametrize("content", ["epochs: 0", "epoch: 3", "epochs: [", "[1]"])
def test_a_recipe_that_cannot_work_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as error:
        read_recipe(path)
    assert "\n" not in str(error.value)


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"uner_ewt\.train\.jsonl"):
        train(None, data=tmp_path, out=tmp_path / "out")
