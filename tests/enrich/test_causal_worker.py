"""The whole worker over a causal language model: long texts in windows, and the same bytes in batches as one by one."""

from __future__ import annotations

from pathlib import Path

import orjson
import torch

from tests.fakes.pipelines import log_of, payload
from tests.fakes.tiny_causal import save_reciter
from workers.compose import load_models, open_worker
from workers.settings import Settings
from workers.transport.memory import MemoryTransport

torch.set_num_threads(1)


def enriched(folder: Path, *, max_items: int) -> list[bytes]:
    stages = {name: {"enabled": False} for name in ("entities", "relations")}
    settings = Settings.model_validate(
        {
            "models": {
                "writer": {
                    "kind": "causal",
                    "name": str(folder),
                    "precision": "fp32",
                    "rows": 3,
                    "max_reply_tokens": 16,
                    "window": {"max_tokens": 96, "overlap_tokens": 16},
                }
            },
            "stages": {
                **stages,
                "classification": {"model": "writer", "labels": {"sport": "Matches.", "business": "Money."}},
                "summary": {"model": "writer", "max_sentences": 1, "min_sentences_in_document": 1},
            },
            "batch": {"max_items": max_items},
        }
    )
    texts = ["A short one.", " ".join(f"This is sentence number {n} of many." for n in range(9)), "Another short one."]
    log = log_of(*(payload(text, name=str(n)) for n, text in enumerate(texts)))
    with open_worker(settings, load_models(settings), MemoryTransport(log)) as worker:
        worker.run()
    assert log.read("documents.dead") == []
    return [record.value or b"" for record in log.read("documents.enriched")]


def test_long_texts_are_answered_and_batches_change_no_byte(tmp_path: Path) -> None:
    folder = save_reciter(tmp_path / "reciter", {'"': 'Much was said here. And more."}'})
    together = enriched(folder, max_items=64)
    documents = [orjson.loads(value) for value in together]
    assert [document["id"] for document in documents] == ["0", "1", "2"]
    assert documents[1]["coverage"]["summary"]["segments"] > 2
    for document in documents:
        assert document["summary"]["kind"] == "abstractive"
        assert document["summary"]["text"].startswith("Much was said here.")
        assert {receipt["model"] for receipt in document["receipts"]} == {"reciter"}
    assert enriched(folder, max_items=1) == together
