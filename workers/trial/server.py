"""`POST /enrich` with `{"text": ...}` answers with the record and the explanation of its label. One text at a time.

Whoever asks while another text is under way is told so at once. The text is in no log. A request must be JSON, which no
page of another site can send without this server's leave.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from workers.settings import ServeSettings
from workers.trial.tried import Refused, Tried

log = logging.getLogger(__name__)

REQUEST_S = 10.0  # to send a request; who is slower is hung up on
MOST_BYTES_A_CHARACTER = 12  # of JSON: a surrogate pair, escaped

Try = Callable[[str], Tried | Refused]


class Pasted(BaseModel):
    """What is sent."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    status: HTTPStatus
    body: bytes

    @classmethod
    def refusal(cls, status: HTTPStatus, code: str, detail: str) -> Reply:
        return cls(status, orjson.dumps({"code": code, "detail": detail}))


class Trials:
    """Answers bodies of requests, one at a time."""

    def __init__(self, try_text: Try, settings: ServeSettings) -> None:
        self._try, self._settings = try_text, settings
        self._busy = Lock()

    @property
    def most_bytes(self) -> int:
        return self._settings.max_characters * MOST_BYTES_A_CHARACTER + 64

    def answer(self, body: bytes) -> Reply:
        most = self._settings.max_characters
        try:
            text = Pasted.model_validate_json(body).text
        except ValidationError:
            return Reply.refusal(HTTPStatus.BAD_REQUEST, "invalid_json", 'send {"text": "..."}')
        if len(text) > most:
            detail = f"{len(text)} characters; serve.max_characters is {most}"
            return Reply.refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "text_too_long", detail)
        if not self._busy.acquire(blocking=False):
            return Reply.refusal(HTTPStatus.TOO_MANY_REQUESTS, "busy", "another text is being read: try again")
        try:
            tried = self._try(text)
        except Exception as error:  # noqa: BLE001  boundary of a request: the next text must be answered
            log.error("a text that was tried out failed: %s", type(error).__name__)  # its message may quote the text
            return Reply.refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "failed", type(error).__name__)
        finally:
            self._busy.release()
        if isinstance(tried, Refused):
            return Reply.refusal(HTTPStatus.UNPROCESSABLE_ENTITY, tried.code, tried.detail)
        return Reply(HTTPStatus.OK, tried.as_json())


def http_server(trials: Trials, host: str, port: int) -> ThreadingHTTPServer:
    """Bound and not serving yet. Port 0 is any free one. Raises OSError."""

    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_S
        server_version, sys_version = "enrich", ""

        def do_GET(self) -> None:
            found = self.path == "/live"
            self._send(Reply(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND, b"{}"))

        def do_POST(self) -> None:
            self._send(self._posted())

        def _posted(self) -> Reply:
            if self.path != "/enrich":
                return Reply.refusal(HTTPStatus.NOT_FOUND, "not_found", "POST /enrich")
            if self.headers.get_content_type() != "application/json":
                return Reply.refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not_json", "send application/json")
            length = self.headers.get("Content-Length", "")
            if not length.isdigit():
                return Reply.refusal(HTTPStatus.LENGTH_REQUIRED, "no_length", "send Content-Length")
            if int(length) > trials.most_bytes:
                return Reply.refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "text_too_long", "see serve.max_characters")
            return trials.answer(self.rfile.read(int(length)))

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection = True

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the base class names it
            """What was asked is nobody's business."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Whoever hung up knows it."""
            log.debug("a request failed", exc_info=True)

    return Server((host, port), Handler)
