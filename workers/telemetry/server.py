"""The worker's small HTTP server: `/metrics` for Prometheus, `/live`, `/ready` and `/startup` for an orchestrator.

Each probe answers 200 or 503 with a word of JSON. It answers GET only, knows nothing of documents, and logs nothing.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson

from workers.errors import ConfigurationError
from workers.telemetry.health import Verdict

log = logging.getLogger(__name__)

REQUEST_S = 5.0  # for one request; who is slower is hung up on
TURN_S = 0.25  # between looks whether to end
RETRY_S = 5.0  # between looks whether a port that is taken has become free


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered."""

    status: HTTPStatus
    content_type: str
    body: bytes


Pages = Mapping[str, Callable[[], Page]]  # by path


def probe(ask: Callable[[], Verdict]) -> Callable[[], Page]:
    """A page for an orchestrator."""

    def page() -> Page:
        verdict = ask()
        status = HTTPStatus.OK if verdict.ok else HTTPStatus.SERVICE_UNAVAILABLE
        return Page(status, "application/json", orjson.dumps({"ok": verdict.ok, "why": verdict.why}))

    return page


@contextmanager
def serving(pages: Pages, *, host: str, port: int) -> Iterator[None]:
    """Serve until the end. A port that is taken is waited for with one warning: who watches must not stop the work.

    Raises ConfigurationError for an address that can never be had.
    """
    server = _Server(pages, host, port)
    server.start()
    try:
        yield
    finally:
        server.close()


class _Server:
    def __init__(self, pages: Pages, host: str, port: int) -> None:
        self._pages, self._host, self._port = pages, host, port
        self._closing = threading.Event()
        self._http = self._bound()
        # Daemons, this one and those of requests: none holds up the end of the process.
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    def start(self) -> None:
        if self._http is None:
            log.warning(
                "no metrics and health yet: another process has port %d of %s; tried again every %g s. "
                "Give each worker its own with telemetry.port, or 0 for none",
                self._port,
                self._host,
                RETRY_S,
            )
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(REQUEST_S)

    def _run(self) -> None:
        while self._http is None:
            if self._closing.wait(RETRY_S):
                return
            self._http = self._bound()
        with self._http:
            while not self._closing.is_set():
                self._http.handle_request()

    def _bound(self) -> ThreadingHTTPServer | None:
        """None if the port is taken."""
        try:
            return http_server(self._pages, self._host, self._port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return None
            reason = error.strerror or type(error).__name__
            raise ConfigurationError(
                f"telemetry.host={self._host} telemetry.port={self._port} cannot be served: {reason}: correct them, "
                "or set the port to 0"
            ) from error


def http_server(pages: Pages, host: str, port: int) -> ThreadingHTTPServer:
    """Bound and not serving yet. Port 0 is any free one. Raises OSError."""

    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_S
        server_version, sys_version = "enrich", ""

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            if page is None:
                self._answer(Page(HTTPStatus.NOT_FOUND, "text/plain", "\n".join(pages).encode() + b"\n"))
            else:
                self._answer(page())

        def _answer(self, page: Page) -> None:
            self.send_response(page.status)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the base class names it
            """A probe every few seconds is no news."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        timeout = TURN_S

        def handle_error(self, request: object, client_address: object) -> None:
            """Whoever hung up knows it; of anything else the type is enough."""
            log.debug("a request for metrics or health failed", exc_info=True)

    return Server((host, port), Handler)
