"""The box for trying a text: passed on if it comes from the page; what is answered is checked before it is shown."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import orjson
import pytest

from tests.fakes.page_server import new_state, served_page
from tests.fakes.trial_server import trial_server
from tests.insights.test_web import ask
from workers.insights.trial import Explanation, Part, explained

JSON = {"Content-Type": "application/json"}


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Something that says the same to everybody."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(30)


def tried(url: str | None, text: object, headers: Mapping[str, str] = JSON) -> tuple[int, bytes]:
    with served_page(new_state(serve_url=url, serve_characters=100)) as page:
        body = orjson.dumps({"text": text})
        status, _, answer = ask(page, "/api/trial", method="POST", body=body, headers=headers)
        return status, answer


def test_a_text_is_read_and_its_pieces_are_the_text() -> None:
    text = "This is how Ada met <b>Bob</b> in London, in the summer. 😀"
    with trial_server() as url:
        status, answer = tried(url, text)
    assert status == 200
    record = orjson.loads(answer)
    assert "".join(piece["text"] for piece in record["pieces"]) == text
    assert "".join(piece["text"] for piece in record["explanation"]["pieces"]) == text
    weighed = [piece["text"] for piece in record["explanation"]["pieces"] if piece["weight"] is not None]
    assert weighed == text.split()


@pytest.mark.parametrize(
    ("text", "headers", "status"),
    [
        ("a" * 101, JSON, 413),
        ("  ", JSON, 400),
        (5, JSON, 400),
        (None, JSON, 400),
        ("Ada", {"Content-Type": "text/plain"}, 403),
        ("Ada", {**JSON, "Origin": "http://evil.example"}, 403),
    ],
)
def test_what_must_not_be_passed_on_is_not(text: object, headers: Mapping[str, str], status: int) -> None:
    with answering(200, b"{}") as url:
        assert tried(url, text, headers)[0] == status


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"{}"), (200, b"<html>"), (302, b""), (500, b"<script>"), (200, b"x" * 9_000_000)]
)
def test_an_answer_that_is_none_is_told_in_a_line(status: int, body: bytes) -> None:
    with answering(status, body) as url:
        answered, told = tried(url, "Ada met Bob")
    assert (answered, told) == (502, b"what insights.serve_url names does not answer as `enrich serve` does")


def test_nobody_there_is_told_in_a_line_and_without_a_setting_there_is_no_box() -> None:
    assert tried("http://127.0.0.1:1", "Ada")[0] == 502
    assert tried(None, "Ada")[0] == 404


def test_parts_that_do_not_fit_the_text_are_left_out() -> None:
    parts = (Part(start=0, end=3, weight=1.0), Part(start=2, end=99, weight=2.0), Part(start=4, end=7, weight=-1.0))
    found = explained("Ada met", Explanation(label="x", score=0.5, words_in_part=1, parts=parts))
    assert found is not None
    assert found["pieces"] == [
        {"text": "Ada", "weight": 1.0},
        {"text": " ", "weight": None},
        {"text": "met", "weight": -1.0},
    ]
