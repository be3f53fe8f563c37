"""Sequence classification and zero-shot: equal to transformers' pipelines, the same in any batch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from schemas.base import StageName
from tests.fakes.tiny_checkpoints import FAMILIES, LENGTH, VERDICTS, WORDS, Problem, write_classifier
from workers.errors import ConfigurationError
from workers.models.adapters.rows import RowModel
from workers.models.adapters.sequence_classification import SequenceClassifier, load_sequence_classifier
from workers.models.adapters.zero_shot import ZeroShotClassifier, load_zero_shot
from workers.settings import SequenceClassificationModel, ZeroShotModel
from workers.stages.classification import merge_classification
from workers.stages.results import ClassificationResult
from workers.text.pieces import Window

MOODS = ("bad", "mixed", "good")
TOPICS = {"sport": "Teams and matches.", "business": "Companies.", "politics": "People in the city."}
TEXTS = (
    "Anna lives in Berlin.",
    "Carla works for a new company in Paris, it was said; Anna left.",
    "x",
    "The team met at the river, unheardof words are cut to pieces: Berlinish 1999",
)


@pytest.fixture(scope="module")
def moods(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("moods")
    return {family: write_classifier(root / family, family, labels=MOODS) for family in FAMILIES}


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("judges")
    return {family: write_classifier(root / family, family, labels=VERDICTS) for family in FAMILIES}


def classifier(folder: Path, **options: object) -> SequenceClassifier:
    given = {"kind": "sequence-classification", "name": str(folder), "precision": "fp32", "device": "cpu"}
    return load_sequence_classifier(SequenceClassificationModel.model_validate(given | options))


def judge(folder: Path, labels: dict[str, str] | None = None, **options: object) -> ZeroShotClassifier:
    given = {"kind": "zero-shot", "name": str(folder), "precision": "fp32", "device": "cpu"}
    return load_zero_shot(ZeroShotModel.model_validate(given | options), labels=labels or TOPICS)


def transformers_pipeline(task: Any, folder: Path) -> Any:
    return pipeline(
        task,
        model=AutoModelForSequenceClassification.from_pretrained(folder),
        tokenizer=AutoTokenizer.from_pretrained(folder),
        device="cpu",
    )


def window_of(model: RowModel, text: str) -> Window:
    return Window(text, 0, ((0, len(text)),), model.tokenize([text])[0])


def raw(model: RowModel, text: str) -> ClassificationResult:
    batch = model.prepare([window_of(model, text)])
    [answer] = model.decode(model.forward(batch), batch)
    result = answer[StageName.CLASSIFICATION]
    assert isinstance(result, ClassificationResult)
    return result


def shares(model: RowModel, text: str) -> dict[str, float]:
    """Probabilities by label, before anything is rounded to what a record holds."""
    logits = np.array(raw(model, text).scores)
    odds = 1 / (1 + np.exp(-logits)) if model.info.independent_labels else np.exp(logits - np.logaddexp.reduce(logits))
    return dict(zip(model.info.labels[StageName.CLASSIFICATION], odds.tolist(), strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_labels_a_text_as_the_pipeline_of_transformers_does(moods: dict[str, Path], family: str) -> None:
    model, ask = classifier(moods[family]), transformers_pipeline("text-classification", moods[family])
    for text in TEXTS:
        wanted = {entry["label"]: entry["score"] for entry in ask(text, top_k=None)}
        assert shares(model, text) == pytest.approx(wanted, abs=1e-5)


def test_a_model_whose_labels_do_not_exclude_each_other(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path, "bert", labels=MOODS, problem="multi_label_classification")
    model, ask = classifier(folder), transformers_pipeline("text-classification", folder)
    assert model.info.independent_labels
    for text in TEXTS:
        wanted = {entry["label"]: entry["score"] for entry in ask(text, top_k=None)}
        assert shares(model, text) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_judges_labels_as_the_pipeline_of_transformers_does(
    judges: dict[str, Path], family: str, independent: bool
) -> None:
    model = judge(judges[family], hypothesis="this example is about {label}", independent_labels=independent)
    ask = transformers_pipeline("zero-shot-classification", judges[family])
    for text in TEXTS:
        said = ask(
            text,
            candidate_labels=list(TOPICS),
            hypothesis_template="this example is about {}",
            multi_label=independent,
        )
        assert shares(model, text) == pytest.approx(dict(zip(said["labels"], said["scores"], strict=True)), abs=1e-5)


@pytest.mark.parametrize("kind", ["moods", "judges"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_window_gets_the_same_bits_alone_and_in_company(
    request: pytest.FixtureRequest, family: str, kind: str
) -> None:
    folder = request.getfixturevalue(kind)[family]
    model: RowModel = classifier(folder) if kind == "moods" else judge(folder)
    rng = np.random.default_rng(4)
    texts = [" ".join(rng.choice(WORDS, size=int(size))) for size in rng.integers(1, 12, size=50)]
    by_area: dict[int, list[Window]] = {}
    for window in (window_of(model, text) for text in texts):
        by_area.setdefault(model.prepare([window])[0].area, []).append(window)
    assert max(map(len, by_area.values())) > 8
    for windows in by_area.values():
        batch = model.prepare(windows)
        together = model.forward(batch)
        for number, item in enumerate(batch):
            [alone] = model.forward([item])
            assert np.array_equal(np.stack(alone), np.stack(together[number]))


@pytest.mark.parametrize("kind", ["moods", "judges"])
def test_a_window_that_is_longer_than_the_model_reads_is_read_in_parts(
    request: pytest.FixtureRequest, kind: str
) -> None:
    folder = request.getfixturevalue(kind)["bert"]
    model: RowModel = classifier(folder) if kind == "moods" else judge(folder)
    text = " ".join(WORDS[number % len(WORDS)] for number in range(200))
    window = window_of(model, text)
    [item] = model.prepare([window])
    assert all(len(row.ids) < LENGTH for row in item.rows)
    assert {n for row in item.rows for n in range(row.first, row.first + row.count)} == set(range(len(window.tokens)))
    whole = np.array(raw(model, text).scores)
    parts = [np.array(raw(model, text[s:e]).scores) for s, e in parts_of(item.window, model.max_window_tokens)]
    assert whole == pytest.approx(np.mean(parts, axis=0), abs=1e-4)
    assert raw(model, text).weight == len(window.tokens)


def parts_of(window: Window, room: int) -> list[tuple[int, int]]:
    """Where the parts of a window lie in its text, told without the code under test."""
    tokens, step = len(window.tokens), room - room // 4
    starts = [*range(0, tokens - room, step), tokens - room]
    return [(int(window.tokens.starts[s]), int(window.tokens.ends[s + room - 1])) for s in starts]


def test_all_labels_of_a_window_are_judged_in_one_pass(judges: dict[str, Path]) -> None:
    model = judge(judges["bert"])
    batch = model.prepare([window_of(model, text) for text in TEXTS[:1] * 3])
    passes: list[int] = []
    model._checkpoint.model.register_forward_pre_hook(
        lambda module, args, kwargs: passes.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    model.forward(batch)
    assert passes == [3 * len(TOPICS)]


def test_a_label_alone_has_nothing_to_compete_with(judges: dict[str, Path]) -> None:
    model = judge(judges["bert"], {"sport": "Teams."})
    assert model.info.independent_labels
    assert 0 < shares(model, TEXTS[0])["sport"] < 1


def test_the_description_can_be_the_hypothesis(judges: dict[str, Path]) -> None:
    by_name, by_description = judge(judges["bert"]), judge(judges["bert"], hypothesis="about {label}: {description}")
    assert by_name.info.revision != by_description.info.revision
    assert shares(by_name, TEXTS[0]) != pytest.approx(shares(by_description, TEXTS[0]))


def test_several_labels_may_be_true_at_once() -> None:
    results = [ClassificationResult((2.0, 3.0, -4.0), 10), ClassificationResult((2.0, 1.0, -4.0), 10)]
    common = {"temperature": 1.0, "min_score": 0.5, "multi_label": True}
    several = merge_classification(MOODS, results, independent=True, **common)  # type: ignore[arg-type]
    assert [label.score for label in several.labels] == pytest.approx([1 / (1 + np.exp(-2.0))] * 2, abs=1e-4)
    one = merge_classification(MOODS, results, **common)  # type: ignore[arg-type]
    assert sum(label.score for label in one.candidates) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("labels", "problem", "told"),
    [(MOODS, "regression", "regression"), (("LABEL_0",), None, "independent_labels: true")],
)
def test_a_model_that_gives_a_number_is_refused(
    tmp_path: Path, labels: tuple[str, ...], problem: Problem | None, told: str
) -> None:
    folder = write_classifier(tmp_path, "bert", labels=labels, problem=problem)
    with pytest.raises(ConfigurationError, match=told):
        classifier(folder)


def test_a_model_that_does_no_inference_is_refused(moods: dict[str, Path]) -> None:
    with pytest.raises(ConfigurationError, match="called entailment"):
        judge(moods["bert"])


def test_a_hypothesis_that_leaves_no_room_is_refused(judges: dict[str, Path]) -> None:
    with pytest.raises(ConfigurationError, match="shorten"):
        judge(judges["bert"], hypothesis="{label} " + "long " * 60)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("no weights", "no weights as safetensors"),
        ("no head", "classifier.bias: name a checkpoint that was trained for this"),
        ("no config", "cannot be loaded"),
        ("torn", "is cut short"),
        ("no tokenizer", "no fast tokenizer"),
        ("nowhere", "nowhere"),
    ],
)
def test_a_folder_that_cannot_work_is_one_line(tmp_path: Path, damage: str, told: str) -> None:
    folder = write_classifier(tmp_path / "model", "bert", labels=MOODS)
    weights = folder / "model.safetensors"
    if damage == "no weights":
        torch.save(load_file(weights), folder / "pytorch_model.bin")
        weights.unlink()
    elif damage == "no head":
        save_file({k: v for k, v in load_file(weights).items() if "classifier" not in k}, weights, {"format": "pt"})
    elif damage == "no config":
        (folder / "config.json").unlink()
    elif damage == "torn":
        weights.write_bytes(weights.read_bytes()[:-1000])
    elif damage == "no tokenizer":
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer_config.json").unlink()
    with pytest.raises(ConfigurationError, match=told) as raised:
        classifier(tmp_path / "nowhere" if damage == "nowhere" else folder)
    assert "\n" not in str(raised.value)


def test_code_in_the_folder_is_not_run(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "model", "bert", labels=MOODS)
    mark = tmp_path / "was-run"
    (folder / "modeling_own.py").write_text(f"open({str(mark)!r}, 'w')")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {
            "AutoConfig": "modeling_own.Own",
            "AutoModelForSequenceClassification": "modeling_own.Own",
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigurationError) as raised:
        classifier(folder)
    assert "\n" not in str(raised.value)
    assert not mark.exists()
