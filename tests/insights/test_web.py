"""What the page's server answers, to whom, and with which headers."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import orjson
import pytest

from tests.fakes.enriched_records import dead, enriched
from tests.fakes.page_server import Served, new_state, served_page
from workers.insights.web import STATIC


@pytest.fixture
def page() -> Iterator[Served]:
    with served_page(new_state(host_names="localhost, insights.example", recent_records=20)) as served:
        yield served


def ask(
    page: Served, path: str, *, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Mapping[str, str], bytes]:
    host = urlsplit(page.address)
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=30)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def judge(page: Served, headers: Mapping[str, str] | None = None, **said: object) -> int:
    position = page.publish(enriched())
    body = {"position": position, "stage": "entities", "item": "e1", "verdict": "wrong", **said}
    given = {"Content-Type": "application/json", **(headers or {})}
    return ask(page, "/api/corrections", method="POST", body=orjson.dumps(body), headers=given)[0]


@pytest.mark.parametrize("path", [*STATIC, "/api/overview", "/api/records", "/api/reference", "/metrics", "/nowhere"])
def test_every_answer_has_the_strict_policy(page: Served, path: str) -> None:
    status, headers, _ = ask(page, path)
    assert status == (404 if path == "/nowhere" else 200)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("[::1]:8088", 200),
        ("localhost:8088", 200),
        ("insights.example", 200),
        ("evil.example", 421),
        ("", 421),
        ("1.evil", 421),
    ],
)
def test_a_name_that_somebody_else_pointed_here_is_refused(page: Served, host: str, status: int) -> None:
    assert ask(page, "/api/records", headers={"Host": host})[0] == status


def test_a_correction_comes_from_the_page_and_is_completed_from_the_record(page: Served) -> None:
    assert judge(page, {"Origin": page.address}, expected="ORG") == 200
    assert [(c.given, c.expected, c.model, c.by) for c in page.corrections] == [("PER", "ORG", "default", "page")]


@pytest.mark.parametrize(
    ("headers", "said", "status"),
    [
        ({"Origin": "http://evil.example"}, {}, 403),
        ({"Content-Type": "text/plain"}, {}, 403),
        ({}, {"verdict": "perhaps"}, 400),
        ({}, {"model": "another"}, 400),
        ({}, {"item": "e99"}, 404),
        ({}, {"position": "documents.enriched/0/999"}, 404),
        ({}, {"expected": "x" * 20_000}, 413),
    ],
)
def test_anything_else_is_refused(
    page: Served, headers: Mapping[str, str], said: Mapping[str, object], status: int
) -> None:
    assert judge(page, headers, **said) == status
    assert page.corrections == []


@pytest.mark.parametrize(
    ("stage", "item", "given"),
    [("relations", "e1>met>e2", "met"), ("classification", "science", "science"), ("summary", "summary", "extractive")],
)
def test_each_kind_of_item_can_be_judged(page: Served, stage: str, item: str, given: str) -> None:
    assert judge(page, stage=stage, item=item, verdict="right") == 200
    assert [correction.given for correction in page.corrections] == [given]


def test_the_recent_records_are_found_by_text_reason_and_name_and_the_oldest_go(page: Served) -> None:
    for number in range(30):
        page.publish(enriched(number))
    page.publish(dead(1, code="text_too_long"))
    assert len(orjson.loads(ask(page, "/api/records?query=")[2])) == 20
    found = orjson.loads(ask(page, "/api/records?query=NOTE%2025")[2])
    assert [record["id"] for record in found] == ["note-25"]
    assert [r["kind"] for r in orjson.loads(ask(page, "/api/records?query=too_long")[2])] == ["dead"]
    assert orjson.loads(ask(page, "/api/records?query=note%203.")[2]) == []
    whole = orjson.loads(ask(page, f"/api/records/{found[0]['position']}")[2])
    assert "".join(piece["text"] for piece in whole["pieces"]) == enriched(25).text


def test_the_feed_tells_what_comes(page: Served) -> None:
    page.publish(enriched(1, document_id="first"))
    host = urlsplit(page.address)
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=30)
    connection.request("GET", "/api/feed")
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "text/event-stream"
    line = answer.readline()
    assert [record["id"] for record in orjson.loads(line.removeprefix(b"data: "))["records"]] == ["first"]
    connection.close()


def test_an_unknown_window_is_refused(page: Served) -> None:
    assert ask(page, "/api/overview?window=year")[0] == 400


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b'{"window": "hour"}', 200),
        ({}, b'{"window": "year"}', 400),
        ({"Content-Type": "text/plain"}, b'{"window": "hour"}', 403),
        ({"Origin": "http://evil.example"}, b'{"window": "hour"}', 403),
        ({}, b'{"window": "minute"}', 409),
    ],
)
def test_a_window_is_made_the_reference_by_the_page_alone(headers: Mapping[str, str], body: bytes, status: int) -> None:
    served = new_state(drift_min_documents=2)
    for number in range(2):
        served.publish(enriched(number))
    served.clock.advance(120)
    with served_page(served) as page:
        given = {"Content-Type": "application/json", **headers}
        answered, _, said = ask(page, "/api/reference", method="POST", body=body, headers=given)
        assert answered == status
        if status == 200:
            assert orjson.loads(said) == {"documents": 2}
            assert orjson.loads(ask(page, "/api/reference")[2])["labels"] == {"science": 2}


def test_an_orchestrator_is_told_when_it_knows_what_it_had_counted(page: Served) -> None:
    assert (ask(page, "/live")[0], ask(page, "/ready")[0]) == (200, 200)
    page.state.restored = False
    assert (ask(page, "/live")[0], ask(page, "/ready")[0]) == (200, 503)
