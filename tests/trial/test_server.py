"""One text at a time over a real socket: a record and its explanation, or a refusal that quotes nothing."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import orjson
import pytest

from schemas import EnrichedDocument
from tests.fakes.models import POISON
from tests.fakes.trial_server import MOST, trial_server
from workers.trial.tried import Refused

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with trial_server() as served:
        yield served


def post(address: str, body: bytes, headers: dict[str, str] | None = None, path: str = "/enrich") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    try:
        connection.request("POST", path, body, JSON if headers is None else headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def pasted(text: str) -> bytes:
    return orjson.dumps({"text": text})


def test_a_text_comes_back_as_its_record_with_the_weight_of_every_word(address: str) -> None:
    text = "This is the story of Ada, who met Bob in London in the summer 😀."
    status, body = post(address, pasted(text))
    assert status == 200
    answer = orjson.loads(body)
    document = EnrichedDocument.model_validate(answer["document"])
    assert document.text == text
    assert len(document.receipts) == 4
    explained = answer["explanation"]
    assert document.classification is not None
    assert explained["label"] == document.classification.labels[0].name
    assert [text[part["start"] : part["end"]] for part in explained["parts"]] == text.split()
    assert any(part["weight"] for part in explained["parts"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{}", 400, "invalid_json"),
        (b"\xff", 400, "invalid_json"),
        (b'{"text": 5}', 400, "invalid_json"),
        (pasted("a " * MOST), 413, "text_too_long"),
        (b" " * (MOST * 13 + 100), 413, "text_too_long"),
        (pasted("  "), 422, "empty_text"),
        (pasted(f"It is a secret that this is {POISON}"), 422, "model_error"),
    ],
)
def test_what_is_refused_is_told_without_a_word_of_the_text(address: str, body: bytes, status: int, code: str) -> None:
    answered, refusal = post(address, body)
    assert answered == status
    assert orjson.loads(refusal)["code"] == code
    assert b"secret" not in refusal


@pytest.mark.parametrize(
    ("headers", "path", "status"), [({"Content-Type": "text/plain"}, "/enrich", 415), (JSON, "/elsewhere", 404)]
)
def test_only_json_on_its_path_is_read(address: str, headers: dict[str, str], path: str, status: int) -> None:
    assert post(address, pasted("Ada"), headers, path)[0] == status


def test_a_second_text_is_told_to_wait_and_a_failure_ends_nothing() -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(text: str) -> Refused:
        entered.set()
        leave.wait(30)
        if text == "fail":
            raise RuntimeError(f"about {text}")
        return Refused("slow", "it was slow")

    with trial_server(slow) as address:
        first: list[int] = []
        thread = threading.Thread(target=lambda: first.append(post(address, pasted("one"))[0]))
        thread.start()
        assert entered.wait(30)
        assert post(address, pasted("two"))[0] == 429
        leave.set()
        thread.join(30)
        assert first == [422]
        assert post(address, pasted("fail"))[0] == 500
        assert post(address, pasted("three"))[0] == 422
