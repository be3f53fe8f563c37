"""Summaries by a tiny BART and a tiny T5 in a real worker, over long texts: bounded, and the same every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas import EnrichedDocument, StageName
from tests.fakes.pipelines import incoming, log_of, payload
from tests.fakes.tiny_seq2seq import spec_of, write_seq2seq
from workers.compose import load_models, open_pipeline, open_worker
from workers.enrich.outcome import Enriched
from workers.enrich.pipeline import Pipeline
from workers.serving import file_worker
from workers.settings import Settings
from workers.transport.memory import MemoryTransport

FAMILIES = ("bart", "t5")
TEXTS = [
    " ".join(f"The company said {n} times that the bank of river {n * 7 % 11} was {word}." for n in range(count))
    for count, word in ((1, "new"), (5, "old"), (9, "as planned"), (14, "on the road"), (40, "in court"), (23, "said"))
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: write_seq2seq(tmp_path_factory.mktemp(family), family) for family in FAMILIES}


def only_summaries(folder: Path, *, max_characters: int = 150, **batch: object) -> Settings:
    spec = spec_of(folder, num_beams=2, max_new_tokens=14, no_repeat_ngram=2, rows=4)
    off = {stage.value: {"enabled": False} for stage in StageName if stage is not StageName.SUMMARY}
    summary: dict[str, Any] = {"model": "writer", "min_sentences_in_document": 2, "max_characters": max_characters}
    return Settings.model_validate(
        {"models": {"writer": spec}, "stages": off | {"summary": summary}, "batch": batch, "epoch": {"max_records": 4}}
    )


def enriched(pipeline: Pipeline, texts: list[str]) -> list[EnrichedDocument]:
    outcomes = pipeline.enrich([incoming(payload(text, name=str(n)), offset=n) for n, text in enumerate(texts)])
    assert all(isinstance(outcome, Enriched) for outcome in outcomes)
    return [outcome.document for outcome in outcomes if isinstance(outcome, Enriched)]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_worker_writes_the_same_whether_windows_go_together_or_one_by_one(
    folders: dict[str, Path], family: str
) -> None:
    values = []
    for max_items in (1, 64):
        settings = only_summaries(folders[family], max_items=max_items)
        log = log_of(*(payload(text, name=str(n)) for n, text in enumerate(TEXTS)))
        with open_worker(settings, load_models(settings), MemoryTransport(log)) as worker:
            worker.run()
        assert log.read("documents.dead") == []
        values.append([record.value for record in log.read("documents.enriched")])
    assert values[0] == values[1]
    records = [orjson.loads(value or b"") for value in values[0]]
    assert len(records) == len(TEXTS)
    assert len({record["summary"]["text"] for record in records[1:]}) == len(TEXTS) - 1
    for record, text in zip(records[1:], TEXTS[1:], strict=True):
        assert record["summary"]["kind"] == "abstractive"
        assert record["summary"]["sentences"] == []
        assert 0 < len(record["summary"]["text"]) <= 150
        assert record["coverage"]["summary"]["characters_seen"] == len(text)
        (receipt,) = record["receipts"]
        assert (receipt["precision"], receipt["thresholds"]["max_new_tokens"]) == ("fp32", 14)
    assert records[0]["summary"] is None, "one sentence is its own summary"
    assert records[4]["coverage"]["summary"]["segments"] > 5


@pytest.mark.parametrize("family", FAMILIES)
def test_a_document_alone_and_among_others_is_the_same_record(folders: dict[str, Path], family: str) -> None:
    settings = only_summaries(folders[family])
    with open_pipeline(settings, load_models(settings)) as pipeline:
        together = enriched(pipeline, TEXTS)
        alone = [enriched(pipeline, [text])[0] for text in TEXTS]
    assert [document.summary for document in together] == [document.summary for document in alone]


def test_parts_that_are_too_long_together_are_summarized_again_and_stay_within_the_limit(
    folders: dict[str, Path],
) -> None:
    found = {}
    for limit in (60, 100_000):
        settings = only_summaries(folders["t5"], max_characters=limit)
        with open_pipeline(settings, load_models(settings)) as pipeline:
            [outcome] = pipeline.enrich([incoming(payload(TEXTS[4]))])
        assert isinstance(outcome, Enriched)
        assert outcome.document.summary is not None
        found[limit] = outcome
        assert len(outcome.document.summary.text) <= limit
    windows = found[60].document.coverage[StageName.SUMMARY].segments
    assert found[100_000].run.cache_lookups == windows
    assert found[60].run.cache_lookups > windows, "a second pass over what was written"


def test_a_file_of_long_texts_goes_through(folders: dict[str, Path], tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b"".join(payload(text, name=str(n)) + b"\n" for n, text in enumerate(TEXTS[:4])))
    settings = only_summaries(folders["bart"])
    with file_worker(settings, str(source), str(out), None, on_read=lambda count: None) as worker:
        worker.run()
    kinds = [(orjson.loads(line)["summary"] or {}).get("kind") for line in out.read_bytes().splitlines()]
    assert kinds == [None, "abstractive", "abstractive", "abstractive"]
