"""The HTTP server, over a real socket on a port that was free."""

from __future__ import annotations

import http.client
import logging
import socket
import time
from http import HTTPStatus

import orjson
import pytest

from workers.errors import ConfigurationError
from workers.telemetry import server
from workers.telemetry.health import Verdict
from workers.telemetry.server import Page, probe, serving
from workers.transport.local import free_port

HOST = "127.0.0.1"
PATIENCE_S = 30.0


def ask(port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_S)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_probes_and_pages_answer_while_it_serves_and_not_afterwards() -> None:
    verdicts = [Verdict(False, "loading"), Verdict(True)]
    pages = {
        "/ready": probe(lambda: verdicts.pop(0)),
        "/metrics": lambda: Page(HTTPStatus.OK, "text/plain", b"a 1\n"),
    }
    port = free_port()
    with serving(pages, host=HOST, port=port):
        status, body = ask(port, "/ready")
        assert (status, orjson.loads(body)) == (503, {"ok": False, "why": "loading"})
        assert ask(port, "/ready?verbose")[0] == 200
        assert ask(port, "/metrics") == (200, b"a 1\n")
        assert ask(port, "/")[0] == 404
        assert ask(port, "/metrics", "POST")[0] == 501
    with pytest.raises(OSError, match="refused"):
        ask(port, "/ready")


def test_who_sends_nothing_holds_up_nobody() -> None:
    port = free_port()
    with (
        serving({"/live": probe(lambda: Verdict(True))}, host=HOST, port=port),
        socket.create_connection((HOST, port)),
        socket.create_connection((HOST, port)) as second,
    ):
        second.sendall(b"GET /li")
        assert ask(port, "/live")[0] == 200


def test_a_page_that_raises_does_not_end_the_server() -> None:
    def broken() -> Page:
        raise ValueError("a text")

    port = free_port()
    with serving({"/metrics": broken, "/live": probe(lambda: Verdict(True))}, host=HOST, port=port):
        with pytest.raises(http.client.RemoteDisconnected):
            ask(port, "/metrics")
        assert ask(port, "/live")[0] == 200


def test_a_healthy_server_says_nothing(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    with serving({"/live": probe(lambda: Verdict(True))}, host=HOST, port=port):
        ask(port, "/live")
        ask(port, "/nowhere")
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken_is_waited_for_and_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "RETRY_S", 0.01)
    port = free_port()
    pages = {"/live": probe(lambda: Verdict(True))}
    with socket.socket() as other:
        other.bind((HOST, port))
        other.listen()
        waiting = serving(pages, host=HOST, port=port)
        with caplog.at_level(logging.WARNING):
            waiting.__enter__()
    try:
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                assert ask(port, "/live")[0] == 200
                break
            except OSError:
                assert time.monotonic() < deadline_s, "the port became free and was not taken"
                time.sleep(0.01)
    finally:
        waiting.__exit__(None, None, None)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_an_address_that_cannot_be_had_stops_the_start_in_one_line() -> None:
    with pytest.raises(ConfigurationError, match=r"telemetry.host=203.0.113.1 .* cannot be served") as caught:
        serving({}, host="203.0.113.1", port=free_port()).__enter__()
    assert "\n" not in str(caught.value)
