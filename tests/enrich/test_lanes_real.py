"""Lanes of real models, all tiny: a tagger, a judge, and the packaged kind, as a pipeline file names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch

from schemas import StageName
from tests.fakes.pipelines import log_of, payload
from tests.fakes.tiny_checkpoints import VERDICTS, WORDS, write_classifier, write_tagger
from tests.fakes.tiny_model import write_tiny
from workers.compose import AnyModel, load_models, open_pipeline, open_worker
from workers.errors import ConfigurationError
from workers.settings import DEFAULT_MODEL, Settings
from workers.transport.memory import MemoryTransport


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dict[str, AnyModel]]:
    """A tagger, a judge and the packaged kind of model, all tiny, as a pipeline file names them."""
    root = tmp_path_factory.mktemp("lanes")
    tagger = write_tagger(root / "tagger", "bert")
    judge = write_classifier(root / "judge", "deberta-v2", labels=VERDICTS)
    common = {"precision": "fp32", "device": "cpu"}
    settings = Settings.model_validate(
        {
            "model": write_tiny(root / "tiny").model_dump(),
            "models": {
                "ner": {"kind": "token-classification", "name": str(tagger), **common},
                "topics": {"kind": "zero-shot", "name": str(judge), **common},
            },
            "stages": {
                "entities": {"model": "ner", "min_score": 0},
                "classification": {
                    "model": "topics",
                    "labels": {"sport": "Sport.", "business": "Business."},
                    "min_score": 0,
                },
                "summary": {"min_sentences_in_document": 1},
            },
            "epoch": {"max_records": 4},
        }
    )
    return settings, load_models(settings)


def english(count: int, words: int) -> list[str]:
    """Texts of different lengths, a sentence of seven words after the other."""
    texts = []
    for number in range(count):
        said = [WORDS[(number * 7 + at * (1 + number % 5)) % len(WORDS)] for at in range(1 + number * words // count)]
        texts.append(" ".join(" ".join(said[at : at + 7]).capitalize() + "." for at in range(0, len(said), 7)))
    return texts


def run(settings: Settings, models: Mapping[str, AnyModel], texts: Sequence[str]) -> list[dict[str, Any]]:
    log = log_of(*(payload(text, name=str(n)) for n, text in enumerate(texts)))
    with open_worker(settings, models, MemoryTransport(log)) as worker:
        worker.run()
    assert log.read("documents.dead") == []
    return [orjson.loads(record.value or b"") for record in log.read("documents.enriched")]


def test_a_worker_with_three_real_models(real: tuple[Settings, dict[str, AnyModel]]) -> None:
    settings, models = real
    assert list(models) == ["ner", DEFAULT_MODEL, "topics"]
    texts = english(24, 150)
    records = run(settings, models, texts)
    for record, text in zip(records, texts, strict=True):
        assert record["id"] == str(texts.index(text))
        assert all(text[entity["start"] : entity["end"]] == entity["text"] for entity in record["entities"])
        assert {entity["type"] for entity in record["entities"]} <= {"PER", "LOC"}
        assert {label["name"] for label in record["classification"]["candidates"]} == {"sport", "business"}
        assert {entry["characters_seen"] for entry in record["coverage"].values()} == {len(text)}
        served = {receipt["stage"]: receipt["model"] for receipt in record["receipts"]}
        assert served == {"entities": "tagger", "relations": "tiny", "classification": "judge", "summary": "tiny"}
    assert sum(len(record["entities"]) for record in records) > len(texts)
    segments = {
        stage: records[-1]["coverage"][stage]["segments"] for stage in ("entities", "classification", "summary")
    }
    assert segments["classification"] >= segments["entities"] > segments["summary"] >= 1, "each in windows of its own"


def test_attention_on_gpus_is_compiled_for_no_shape(real: tuple[Settings, dict[str, AnyModel]]) -> None:
    assert not torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]


def test_a_document_alone_and_among_others_is_the_same_record(real: tuple[Settings, dict[str, AnyModel]]) -> None:
    settings, models = real
    texts = english(12, 120)
    alone = Settings.model_validate({**settings.model_dump(), "batch": {"max_items": 1}, "cache": {"kind": "memory"}})
    assert run(settings, models, texts) == run(alone, models, texts)


def test_a_model_that_cannot_be_loaded_is_named_in_one_line(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "models": {"ner": {"kind": "token-classification", "name": str(tmp_path / "nowhere")}},
            "stages": {stage.value: {"enabled": stage is StageName.ENTITIES} for stage in StageName}
            | {"entities": {"model": "ner"}},
        }
    )
    with pytest.raises(ConfigurationError, match=r"^models\.ner: .*nowhere") as raised:
        load_models(settings)
    assert "\n" not in str(raised.value)


def test_a_window_longer_than_a_model_reads_is_refused_where_it_was_asked_for(
    real: tuple[Settings, dict[str, AnyModel]],
) -> None:
    settings, models = real
    assert settings.window.max_tokens > models["ner"].max_window_tokens, "not asked for by name: cut shorter"
    tree = settings.model_dump()
    tree["models"]["ner"]["window"] = {"max_tokens": 100}
    with (
        pytest.raises(ConfigurationError, match=r"models\.ner\.window\.max_tokens=100 exceeds the 61"),
        open_pipeline(Settings.model_validate(tree), models),
    ):
        pass
