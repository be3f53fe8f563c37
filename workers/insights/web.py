"""The page and what it asks for, over HTTP. Serves three static files and JSON; knows nothing of Faust.

The page shows untrusted documents: a strict content security policy, no inline script or style, nothing from other
hosts. A correction must come from the page itself: JSON, and from the same origin.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.resources import files
from urllib.parse import urlsplit

import orjson
from aiohttp import web

from schemas import Correction
from workers.insights.metrics import exposition
from workers.insights.orders import MAX_BODY_BYTES, correction_of, pin, require_own_page
from workers.insights.overview import CHOICES, overview
from workers.insights.state import Insights
from workers.insights.trial import body_of, try_text
from workers.telemetry.prometheus import CONTENT_TYPE

Correct = Callable[[Correction], Awaitable[None]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATIC = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/record.js": ("record.js", "text/javascript"),
    "/trial.js": ("trial.js", "text/javascript"),
    "/charts.js": ("charts.js", "text/javascript"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FEED_LIMIT = 20  # records told at a time; a faster stream is sampled
FEED_INTERVAL_S = 0.5
FOUND_LIMIT = 50
MOST_BYTES_A_CHARACTER = 12  # of JSON: a surrogate pair, escaped
MAX_FEEDS = 64
SHUTDOWN_S = 1.0

log = logging.getLogger(__name__)


class Page:
    """A server that is started and stopped."""

    def __init__(self, state: Insights, *, correct: Correct) -> None:
        self._state, self._correct = state, correct
        self._feeds = 0
        self._stopping = asyncio.Event()
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=SHUTDOWN_S)
        self.port = 0

    async def start(self) -> None:
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._state.settings.host, self._state.settings.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        print(f"insights: http://{self._state.settings.host}:{self.port}/", flush=True)  # the address is the output

    async def stop(self) -> None:
        self._stopping.set()
        await self._runner.cleanup()

    def _application(self) -> web.Application:
        most_bytes = MAX_BODY_BYTES + self._state.settings.serve_characters * MOST_BYTES_A_CHARACTER
        app = web.Application(client_max_size=most_bytes, middlewares=[self._guard])
        for path, (name, kind) in STATIC.items():
            app.router.add_get(path, static(name, kind))
        app.router.add_get("/api/overview", self._overview)
        app.router.add_get("/api/records", self._records)
        app.router.add_get("/api/records/{position:.+}", self._record)
        app.router.add_get("/api/reference", self._reference)
        app.router.add_post("/api/reference", self._pin)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/live", self._live)
        app.router.add_get("/ready", self._ready)
        app.router.add_get("/api/feed", self._feed)
        app.router.add_post("/api/corrections", self._judge)
        app.router.add_post("/api/trial", self._try)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The same headers on every answer, errors included. A page of another host must not reach us by a name that
        it made point here: names other than addresses and the configured ones are refused."""
        if not self._known_host(request):
            return web.Response(status=421, text="this host is not served here", headers=HEADERS)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(HEADERS)
            raise
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    def _known_host(self, request: web.Request) -> bool:
        name = urlsplit(f"//{request.host}").hostname or ""
        settings = self._state.settings
        further = (other.strip() for other in settings.host_names.split(","))
        return bool(name) and (name in {settings.host, *further} or is_address(name))

    async def _overview(self, request: web.Request) -> web.Response:
        window = request.query.get("window", "hour")
        if window not in CHOICES:
            raise web.HTTPBadRequest(text=f"window is one of {', '.join(CHOICES)}")
        return as_json(overview(self._state, window))

    async def _records(self, request: web.Request) -> web.Response:
        query = request.query.get("query", "")[:200]
        return as_json([record.brief() for record in self._state.recent.search(query, FOUND_LIMIT)])

    async def _record(self, request: web.Request) -> web.Response:
        record = self._state.recent.at(request.match_info["position"])
        if record is None:
            raise web.HTTPNotFound(text="that record is no longer among the recent ones")
        return as_json(record.view())

    async def _reference(self, request: web.Request) -> web.Response:
        """What drift is measured against; saved to a file it can be pinned."""
        return as_json(self._state.drift.reference)

    async def _pin(self, request: web.Request) -> web.Response:
        require_own_page(request)
        pin(await request.read(), self._state)
        return as_json({"documents": self._state.drift.reference_documents})

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=exposition(self._state), headers={"Content-Type": CONTENT_TYPE})

    async def _live(self, request: web.Request) -> web.Response:
        return as_json({"ok": True})

    async def _ready(self, request: web.Request) -> web.Response:
        """Whether what was counted before this start is known."""
        if not self._state.restored:
            raise web.HTTPServiceUnavailable(text="the tables are being read")
        return as_json({"ok": True})

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: the newest records, as they come."""
        if self._feeds >= MAX_FEEDS:
            raise web.HTTPServiceUnavailable(text="too many pages are open")
        response = web.StreamResponse(headers=HEADERS | {"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self._feeds += 1
        try:
            with suppress(ConnectionResetError):
                await self._tell(response)
        finally:
            self._feeds -= 1
        return response

    async def _tell(self, response: web.StreamResponse) -> None:
        seen, recent = 0, self._state.recent
        while not self._stopping.is_set():
            news = recent.newest(FEED_LIMIT, after=seen)
            skipped = recent.sequence - seen - len(news) if seen else 0
            seen = recent.sequence
            told = {"records": [record.brief() for record in reversed(news)], "skipped": skipped}
            await response.write(b"data: " + orjson.dumps(told) + b"\n\n" if news else b": still here\n\n")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), FEED_INTERVAL_S if news else 4 * FEED_INTERVAL_S)

    async def _try(self, request: web.Request) -> web.Response:
        require_own_page(request)
        settings = self._state.settings
        if settings.serve_url is None:
            raise web.HTTPNotFound(text="there is no model here: see insights.serve_url")
        body = body_of(await request.read(), most_characters=settings.serve_characters)
        return as_json(await try_text(settings.serve_url, body))

    async def _judge(self, request: web.Request) -> web.Response:
        require_own_page(request)
        correction = correction_of(await request.read(), self._state)
        await self._correct(correction)
        return as_json(correction.model_dump(mode="json"))


def static(name: str, kind: str) -> Handler:
    body = (files("workers.insights") / "page" / name).read_bytes()

    async def serve(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return serve


def as_json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


def is_address(name: str) -> bool:
    """Whether it is an IP address, which no foreign name can be."""
    return name.replace(".", "").isdigit() or ":" in name
