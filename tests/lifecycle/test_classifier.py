"""A team's labels: learned to a perfect fit, the same bits after an interruption, answered by a worker's model."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import safetensors.torch
import torch

from schemas import Classification
from schemas.base import StageName
from tests.fakes.labelled_texts import workplace
from tests.fakes.tiny_model import answers
from workers.cli.train import train as train_command
from workers.errors import ConfigurationError
from workers.lifecycle import schooling
from workers.lifecycle.checkpoint import TENSORS_FILE
from workers.lifecycle.classifier_train import train_classifier
from workers.models.config import read_config
from workers.models.shared import SharedEncoderModel, load_model
from workers.settings import DEFAULT_LABELS, ModelSettings
from workers.stages.classification import Refusal, merge_classification
from workers.stages.results import ClassificationResult

CLASSIFICATION = (StageName.CLASSIFICATION,)


def settings_of(folder: Path, trunk: Path) -> ModelSettings:
    return ModelSettings(name=str(folder), trunk=trunk, precision="fp32", device="cpu")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load((folder / "heads.safetensors").read_bytes())


def merged(model: SharedEncoderModel, text: str) -> Classification:
    """As a document of this one window would get it."""
    result = answers(model, [text])[0][StageName.CLASSIFICATION]
    assert isinstance(result, ClassificationResult)
    thresholds = model.info.thresholds[StageName.CLASSIFICATION]
    return merge_classification(
        model.info.labels[StageName.CLASSIFICATION],
        [result],
        temperature=thresholds["temperature"],
        min_score=0.0,
        multi_label=False,
        refusal=Refusal.of(thresholds),
    )


def read_topics_of(path: Path) -> list[tuple[str, str]]:
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return [(row["message"], row["intent"]) for row in rows]


@pytest.mark.parametrize(
    ("tune", "epochs", "encoder_rate", "head_rate", "least"),
    [
        ("full", 8, 3e-3, 2e-2, 100),
        ("lora", 12, 1e-2, 2e-2, 100),
        ("upper", 12, 3e-3, 2e-2, 100),
        ("frozen", 40, 1, 0.2, 70),
    ],
)
def test_it_learns_the_labels_and_a_model_answers_with_them(
    tmp_path: Path, tune: str, epochs: int, encoder_rate: float, head_rate: float, least: float
) -> None:
    """The frozen encoder is a random one here, off which less can be read."""
    lines = (f"encoder_rate: {encoder_rate}", f"head_rate: {head_rate}", "patience: 99", "lora_rank: 4")
    recipe, data, trunk = workplace(tmp_path, f"tune: {tune}", f"epochs: {epochs}", *lines)
    train_classifier(recipe, data=data, out=tmp_path / "out", trunk=trunk)
    scores = read_config(tmp_path / "out").scores
    assert scores["dev accuracy"] >= least
    model = load_model(settings_of(tmp_path / "out", trunk), labels=DEFAULT_LABELS, stages=CLASSIFICATION)
    assert model.info.labels[StageName.CLASSIFICATION] == ("delivery", "login", "refund")
    topics = read_topics_of(data / "test.jsonl")
    right = [merged(model, text).candidates[0].name == label for text, label in topics]
    assert 100 * sum(right) / len(right) == pytest.approx(scores["test accuracy"], abs=0.01)
    assert scores["test accuracy"] >= least
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_file()) == [
        "MODEL_CARD.md",
        "config.json",
        "heads.safetensors",
        "loss.png",
    ]


def test_no_label_is_given_to_a_text_that_none_fits(tmp_path: Path) -> None:
    recipe, data, trunk = workplace(tmp_path)
    train_classifier(recipe, data=data, out=tmp_path / "out", trunk=trunk)
    scores = read_config(tmp_path / "out").scores
    assert scores["test AUROC against texts of no label"] >= 90
    model = load_model(settings_of(tmp_path / "out", trunk), labels={}, stages=CLASSIFICATION)
    assert merged(model, "hello thanks today again").abstained
    assert [label.name for label in merged(model, "hello again password locked reset").labels] == ["login"]


def test_only_the_head_and_what_is_tuned_change(tmp_path: Path) -> None:
    recipe, data, trunk = workplace(tmp_path, "tune: upper", "epochs: 1")
    train_classifier(recipe, data=data, out=tmp_path / "out", trunk=trunk)
    before, after = weights(tmp_path / "model"), weights(tmp_path / "out")
    same = {name for name, tensor in after.items() if name in before and torch.equal(tensor, before[name])}
    assert {name.split(".")[1] for name in set(after) - same} == {"classifier", "plain"}
    assert read_config(tmp_path / "out").stages == tuple(StageName), "entities and relations are answered as before"


def test_a_run_that_was_stopped_ends_in_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, data, trunk = workplace(tmp_path, "epochs: 3", "forget: 0.1")
    train_classifier(recipe, data=data, out=tmp_path / "whole", trunk=trunk)
    plotted = 0

    def stop(*arguments: object) -> None:
        nonlocal plotted
        plotted += 1
        if plotted == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(schooling, "plot_curves", stop)
        with pytest.raises(KeyboardInterrupt):
            train_classifier(recipe, data=data, out=tmp_path / "parts", trunk=trunk, save_every_s=0)
    assert (tmp_path / "parts" / TENSORS_FILE).is_file()
    train_classifier(recipe, data=data, out=tmp_path / "parts", trunk=trunk)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())
    assert read_config(tmp_path / "whole").temperature == read_config(tmp_path / "parts").temperature


def test_a_checkpoint_of_other_texts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, data, trunk = workplace(tmp_path, "epochs: 2")

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(schooling, "plot_curves", stop)
        with pytest.raises(KeyboardInterrupt):
            train_classifier(recipe, data=data, out=tmp_path / "out", trunk=trunk, save_every_s=0)
    (data / "train.jsonl").write_bytes(b"".join((data / "train.jsonl").read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(ConfigurationError, match="checkpoint of another recipe or other texts"):
        train_classifier(recipe, data=data, out=tmp_path / "out", trunk=trunk)


def test_texts_cut_out_for_dev_are_learned_from_in_a_second_run(tmp_path: Path) -> None:
    recipe, data, trunk = workplace(tmp_path, "dev: []", "per_class: 8", "dev_share: 0.25", "epochs: 4")
    train_classifier(recipe, data=data, out=tmp_path / "out", trunk=trunk)
    assert (tmp_path / "out" / "search" / "loss.png").is_file()
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "18 texts to learn from, 8 of each label drawn, 6 to choose by, cut out of the training files." in card


def test_some_of_the_labels_may_be_asked_for_and_no_others(tmp_path: Path) -> None:
    recipe, data, trunk = workplace(tmp_path, "epochs: 1")
    train_classifier(recipe, data=data, out=tmp_path / "out", trunk=trunk)
    settings = settings_of(tmp_path / "out", trunk)
    both = load_model(settings, labels={"refund": "", "login": ""}, stages=CLASSIFICATION)
    everything = load_model(settings, labels={}, stages=CLASSIFICATION)
    text = "hello again money back return"
    some, all_of_them = (answers(model, [text])[0][StageName.CLASSIFICATION] for model in (both, everything))
    assert isinstance(some, ClassificationResult)
    assert isinstance(all_of_them, ClassificationResult)
    assert some.scores == (all_of_them.scores[2], all_of_them.scores[1])
    with pytest.raises(ConfigurationError, match="`sport`, for which model team was not trained"):
        load_model(settings, labels={"sport": "Matches."}, stages=CLASSIFICATION)


def test_a_model_of_labels_alone_says_so_when_asked_for_more(tmp_path: Path) -> None:
    recipe, data, trunk = workplace(tmp_path, "epochs: 1")
    train_classifier(recipe, data=data, out=tmp_path / "out", trunk=trunk)
    assert not [name for name in weights(tmp_path / "out") if name.startswith(("heads.entities", "heads.relations"))]
    with pytest.raises(ConfigurationError, match=r"does no entities: set stages\.entities\.enabled to false"):
        load_model(settings_of(tmp_path / "out", trunk), labels={})


def test_the_command_tells_the_recipes_apart(tmp_path: Path) -> None:
    recipe, _, _ = workplace(tmp_path, "start: null")
    with pytest.raises(ConfigurationError, match=r"cannot read data set .*nowhere/train\.jsonl"):
        train_command(recipe, data=tmp_path / "nowhere", out=tmp_path / "out")
