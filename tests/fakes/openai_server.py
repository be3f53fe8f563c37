"""An endpoint with `/v1/chat/completions` on a real socket, which answers by a rule from the text and fails as told.

The rule makes misrouting show: capitalized words are persons, the first two know each other, the label and the summary
are numbers of the text.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from zlib import crc32

LABELS = ("sport", "business", "art")
LOGPROB = -0.1  # of every token


class Fault(Enum):
    """What the server does with a request."""

    NONE = auto()
    RATE_LIMITED = auto()  # 429 with Retry-After
    ERROR = auto()  # 500
    UNAVAILABLE = auto()  # 503
    TIMEOUT = auto()  # 504, from a gateway
    UNAUTHORIZED = auto()  # 401
    NO_MODEL = auto()  # 404
    REDIRECT = auto()  # 307 to somewhere else
    TOO_LONG = auto()  # 400, the context
    FILTERED = auto()  # 400, a content filter
    ODD = auto()  # 400 with a message that quotes the text
    BLACK_HOLE = auto()  # never answers
    SLOW = auto()  # answers after `slow_s`
    HANG_UP = auto()  # closes within the body
    NO_JSON = auto()  # 200 and a page of HTML
    TOO_LARGE = auto()  # 200 and a body without end
    NO_CHOICE = auto()
    TWO_CHOICES = auto()
    WITHHELD = auto()  # finish_reason content_filter
    NO_CONTENT = auto()
    NO_LOGPROBS = auto()  # right, but without probabilities
    NOT_A_NUMBER = auto()  # right, but each probability is NaN, which is no JSON and is sent all the same
    CUT_OFF = auto()  # half of the reply, finish_reason length
    PROSE = auto()  # a reply that is no JSON


STATUS = {
    Fault.RATE_LIMITED: 429,
    Fault.ERROR: 500,
    Fault.UNAVAILABLE: 503,
    Fault.TIMEOUT: 504,
    Fault.UNAUTHORIZED: 401,
    Fault.NO_MODEL: 404,
    Fault.REDIRECT: 307,
    Fault.TOO_LONG: 400,
    Fault.FILTERED: 400,
    Fault.ODD: 400,
}
CODES = {Fault.TOO_LONG: "context_length_exceeded", Fault.FILTERED: "content_filter"}


@dataclass(frozen=True)
class Asked:
    """A request that arrived."""

    text: str
    task: str
    body: dict[str, Any]
    authorization: str | None


@dataclass
class FakeOpenAi:
    """Use as a context. `script` is for the next requests, `marks` for texts that hold one, `fault` for all others."""

    fault: Fault = Fault.NONE
    script: deque[Fault] = field(default_factory=deque)
    marks: dict[str, Fault] = field(default_factory=dict)
    retry_after: str | None = None
    slow_s: float = 0.3
    on_request: Callable[[], None] = lambda: None
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    ending: threading.Event = field(default_factory=threading.Event)
    connections: set[socket.socket] = field(default_factory=set)
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FakeOpenAi:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ending.set()
        self.stop()

    def start(self) -> None:
        """At the port it had before, if it had one."""
        fake = self

        class Handler(_Handler):
            server_state = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """As if the process had died: nobody listens, and open connections are gone."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = None
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def fault_for(self, text: str) -> Fault:
        with self.lock:
            if self.script:
                return self.script.popleft()
        return next((fault for mark, fault in self.marks.items() if mark in text), self.fault)

    def texts(self) -> list[str]:
        with self.lock:
            return [asked.text for asked in self.asked]


def reply_for(task: str, text: str) -> str:
    """The rule."""
    names = [{"text": word, "type": "PER"} for word in re.findall(r"\b[A-Z][a-z]+\b", text)]
    if task == "labels":
        return json.dumps({"labels": [LABELS[crc32(text.encode()) % len(LABELS)]]})
    if task == "summary":
        return json.dumps({"summary": f"A text of {len(text)} letters. It is short."})
    if task == "entities":
        return json.dumps({"entities": names})
    pairs = [{"head": names[0]["text"], "relation": "knows", "tail": names[1]["text"]}] if len(names) > 1 else []
    return json.dumps({"entities": names, "relations": pairs}, ensure_ascii=False)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: FakeOpenAi

    def setup(self) -> None:
        super().setup()
        with self.server_state.lock:
            self.server_state.connections.add(self.connection)

    def finish(self) -> None:
        with self.server_state.lock:
            self.server_state.connections.discard(self.connection)
        try:
            super().finish()
        except OSError:
            return

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            return  # the other side is gone, or `stop` was called

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        return

    def do_POST(self) -> None:
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        told = "\n".join(message["content"] for message in body["messages"])
        text = told.split("<document>\n", 1)[1].rsplit("\n</document>", 1)[0] if "<document>\n" in told else ""
        task = (
            "relations"
            if '"relations":' in told
            else next(t for t in ("entities", "labels", "summary") if f'"{t}":' in told)
        )
        with state.lock:
            state.asked.append(Asked(text, task, body, self.headers.get("authorization")))
            state.at_once += 1
            state.most_at_once = max(state.most_at_once, state.at_once)
        try:
            state.on_request()
            self._answer(state.fault_for(text), task, text, body)
        finally:
            with state.lock:
                state.at_once -= 1

    def _answer(self, fault: Fault, task: str, text: str, body: dict[str, Any]) -> None:
        state = self.server_state
        if fault is Fault.BLACK_HOLE:
            state.ending.wait(30)
            self.close_connection = True
            return
        if fault is Fault.SLOW:
            time.sleep(state.slow_s)
        if fault in STATUS:
            message = f"cannot read {text!r}" if fault is Fault.ODD else "no"
            headers = {"Retry-After": state.retry_after} if state.retry_after else {}
            if fault is Fault.REDIRECT:
                headers["Location"] = "http://127.0.0.1:1/elsewhere"
            problem = {"error": {"message": message, "code": CODES.get(fault), "type": "invalid"}}
            self._send(STATUS[fault], json.dumps(problem).encode(), headers)
            return
        self._send(200, self._completion(fault, task, text, body), {}, hang_up=fault is Fault.HANG_UP)

    def _completion(self, fault: Fault, task: str, text: str, body: dict[str, Any]) -> bytes:
        content = "Sorry, I would rather talk." if fault is Fault.PROSE else reply_for(task, text)
        if fault is Fault.NO_JSON:
            return b"<html>busy</html>"
        if fault is Fault.CUT_OFF:
            content = content[: len(content) // 2]
        logprob = float("nan") if fault is Fault.NOT_A_NUMBER else LOGPROB
        tokens = [
            {"token": piece, "logprob": logprob, "bytes": list(piece.encode())}
            for piece in re.findall(r"(?s).{1,3}", content)
        ]
        scored = body.get("logprobs") and fault is not Fault.NO_LOGPROBS
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": None if fault is Fault.NO_CONTENT else content},
            "finish_reason": {Fault.CUT_OFF: "length", Fault.WITHHELD: "content_filter"}.get(fault, "stop"),
            "logprobs": {"content": tokens} if scored else None,
        }
        choices = {Fault.NO_CHOICE: [], Fault.TWO_CHOICES: [choice, choice]}.get(fault, [choice])
        padding = "x" * 2_000_000 if fault is Fault.TOO_LARGE else ""
        return json.dumps({"id": "fake", "object": "chat.completion", "choices": choices, "padding": padding}).encode()

    def _send(self, status: int, data: bytes, headers: dict[str, str], *, hang_up: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if hang_up else data)
        if hang_up:
            self.close_connection = True
