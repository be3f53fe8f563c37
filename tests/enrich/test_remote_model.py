"""The whole worker over an endpoint on a real socket: it dies and comes back, and no document is lost or blamed."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import orjson
import pytest

from tests.fakes.openai_server import LABELS, FakeOpenAi, Fault
from tests.fakes.pipelines import log_of, payload
from workers.compose import load_models, open_worker
from workers.settings import Settings
from workers.transport.memory import MemoryLog, MemoryTransport


@pytest.fixture
def server() -> Iterator[FakeOpenAi]:
    with FakeOpenAi() as fake:
        yield fake


def settings_for(server: FakeOpenAi, *, max_attempts: int = 2) -> Settings:
    stages = ("entities", "relations", "classification", "summary")
    return Settings.model_validate(
        {
            "models": {
                "far": {
                    "kind": "openai",
                    "base_url": server.url,
                    "model": "tiny",
                    "relation_types": {"knows": "The head knows the tail."},
                    "max_attempts": max_attempts,
                    "backoff_s": 0.001,
                    "read_timeout_s": 5.0,
                    "deadline_s": 30.0,
                }
            },
            "stages": {
                **{stage: {"model": "far"} for stage in stages},
                "classification": {"model": "far", "labels": {label: f"About {label}." for label in LABELS}},
                "summary": {"model": "far", "max_sentences": 1, "min_sentences_in_document": 1},
            },
            "epoch": {"max_records": 4, "poll_ms": 5},
        }
    )


def documents(count: int, *, guilty: int | None = None) -> list[bytes | None]:
    return [
        payload(f"{'GUILTY ' if n == guilty else ''}Ada met Bob on day {n}. They talked.", name=str(n))
        for n in range(count)
    ]


def read(log: MemoryLog, topic: str) -> list[dict[str, Any]]:
    return [orjson.loads(record.value or b"{}") for record in log.read(topic)]


def run(log: MemoryLog, settings: Settings) -> None:
    with open_worker(settings, load_models(settings), MemoryTransport(log)) as worker:
        worker.run()


def test_documents_come_back_enriched_and_the_receipt_says_remote(server: FakeOpenAi) -> None:
    log = log_of(*documents(10))
    run(log, settings_for(server))
    found = read(log, "documents.enriched")
    assert [document["id"] for document in found] == [str(n) for n in range(10)]
    for document in found:
        assert [e["text"] for e in document["entities"]][:2] == ["Ada", "Bob"]
        assert {r["precision"] for r in document["receipts"]} == {"remote"}
        assert document["summary"]["kind"] == "abstractive"
        assert len(document["relations"]) == 1
    assert read(log, "documents.dead") == []


def test_an_endpoint_that_dies_and_comes_back_costs_no_document(server: FakeOpenAi) -> None:
    log, settings = log_of(*documents(16)), settings_for(server)
    models = load_models(settings)
    served = 0
    down = Event()

    def die_once() -> None:
        nonlocal served
        served += 1
        if served == 20 and not down.is_set():
            down.set()

    server.on_request = die_once
    with open_worker(settings, models, MemoryTransport(log)) as worker:
        thread = Thread(target=worker.run)
        thread.start()
        assert down.wait(30)
        server.stop()
        while worker._failures_in_a_row < 2 and thread.is_alive():
            thread.join(0.01)
        server.start()
        thread.join(60)
        assert not thread.is_alive()
    assert [document["id"] for document in read(log, "documents.enriched")] == [str(n) for n in range(16)]
    assert read(log, "documents.dead") == []


def test_one_text_that_is_refused_is_dead_lettered_with_the_reason(server: FakeOpenAi) -> None:
    server.marks["GUILTY"] = Fault.TOO_LONG
    log = log_of(*documents(8, guilty=5))
    run(log, settings_for(server))
    dead = read(log, "documents.dead")
    assert [(letter["stage"], letter["code"]) for letter in dead] == [("model", "context_length_exceeded")]
    assert len(read(log, "documents.enriched")) == 7
