"""One request to an endpoint, tried until it is answered or it is clear whose fault it is.

    answered                                        -> Reply
    the text's fault: refused, withheld             -> Doubt, at once
    somebody's fault: 500, 504, silence, nonsense   -> Doubt, after as many tries as are allowed
    the endpoint's fault: no connection, 429, 503   -> ModelDown, after as many tries
    the configuration's fault: 401, 403, 404        -> Misconfigured, at once

A Doubt says that the text may be guilty; the caller finds out with a text of our own. No message here holds a key, a
text, or anything a server said.
"""

from __future__ import annotations

import asyncio
import email.utils
import random
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from http import HTTPStatus

import httpx2

from schemas.base import StageName
from workers.errors import ConfigurationError, ModelDown
from workers.models.adapters.openai_wire import BadResponse, Question, Withheld, read_completion, refusal_code
from workers.models.prompts_replies import Reply
from workers.settings import OpenAiModel

BUSY = {408, 409, 421, 425, 429, 502, 503}  # the endpoint's own condition, whatever the text
TEXT_REFUSED = {400, 413, 422}
MAX_ERROR_BYTES = 16_384


class Misconfigured(ModelDown):
    """The endpoint knows no such model, path or key: at the start the configuration is wrong, later the endpoint is."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """No answer, and it may be this text's fault."""

    code: str
    detail: str
    may_pass: bool  # whether the same request may be answered another time
    attempts: int = 1  # how often it was asked


@dataclass(frozen=True, slots=True)
class _Busy:
    """The endpoint cannot answer now."""

    detail: str
    retry_after_s: float | None = None


@dataclass(slots=True)
class Counters:
    """What went over the wire so far."""

    requests: int = 0
    retries: int = 0
    most_at_once: int = 0
    at_once: int = 0


class OpenAiClient:
    """For use in one event loop. Close it there."""

    def __init__(
        self,
        settings: OpenAiModel,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        noise: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._noise = noise
        self._places = asyncio.Semaphore(settings.max_concurrency)
        self.counters = Counters()
        self.needs_logprobs = False  # a reply without token probabilities is none
        key = settings.api_key
        try:
            trusted = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
        except OSError as error:
            raise ConfigurationError(f"cannot read the certificates in {settings.ca_file}: correct ca_file") from error
        self._http = httpx2.AsyncClient(
            headers={
                "content-type": "application/json",
                "accept-encoding": "identity",
                **({"authorization": f"Bearer {key.get_secret_value()}"} if key else {}),
            },
            timeout=httpx2.Timeout(
                settings.read_timeout_s, connect=settings.connect_timeout_s, pool=settings.deadline_s
            ),
            limits=httpx2.Limits(
                max_connections=settings.max_concurrency, max_keepalive_connections=settings.max_concurrency
            ),
            verify=trusted,
            trust_env=False,  # a proxy or a .netrc of the machine would be an option nobody declared
            follow_redirects=False,  # a redirect could carry the key elsewhere
        )
        self._url = f"{settings.base_url}/chat/completions"

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(self, question: Question, *, max_attempts: int | None = None) -> Reply | Doubt:
        """Waits for a place, then tries until the deadline. Raises ModelDown or Misconfigured."""
        body = question.body(self._settings)
        async with self._places:
            self.counters.at_once += 1
            self.counters.most_at_once = max(self.counters.most_at_once, self.counters.at_once)
            try:
                scored = self.needs_logprobs and question.task is not StageName.SUMMARY
                return await self._try_until_deadline(body, max_attempts or self._settings.max_attempts, scored=scored)
            finally:
                self.counters.at_once -= 1

    async def _try_until_deadline(self, body: bytes, max_attempts: int, *, scored: bool) -> Reply | Doubt:
        last: Doubt | _Busy = _Busy("no answer before the deadline")
        deadline_s = time.monotonic() + self._settings.deadline_s
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                for number in range(1, max_attempts + 1):
                    last = Doubt("timed_out", "no answer before the deadline", may_pass=True, attempts=number)
                    outcome = await self._try(body)
                    if scored and isinstance(outcome, Reply) and not outcome.ends:
                        outcome = Doubt("bad_response", "the response lacks token probabilities", may_pass=True)
                    if isinstance(outcome, Doubt):
                        outcome = replace(outcome, attempts=number)
                    if isinstance(outcome, Reply) or (isinstance(outcome, Doubt) and not outcome.may_pass):
                        return outcome
                    last = outcome
                    pause_s = self._pause_s(number, outcome)
                    if number == max_attempts or time.monotonic() + pause_s > deadline_s:
                        break
                    self.counters.retries += 1
                    await self._sleep(pause_s)
        except TimeoutError:
            pass
        if isinstance(last, _Busy):
            raise ModelDown(f"{self._settings.base_url}: {last.detail}")
        return last

    def _pause_s(self, attempt: int, outcome: Doubt | _Busy) -> float:
        """Exponential with half of it noise, so that many workers do not come back at once; longer if asked for."""
        longest_s: float = min(self._settings.max_backoff_s, self._settings.backoff_s * 2.0 ** (attempt - 1))
        asked_s = outcome.retry_after_s if isinstance(outcome, _Busy) else None
        return max(longest_s * (0.5 + self._noise() / 2), asked_s or 0.0)

    async def _try(self, body: bytes) -> Reply | Doubt | _Busy:
        self.counters.requests += 1
        try:
            async with self._http.stream("POST", self._url, content=body) as response:
                ok = response.status_code == HTTPStatus.OK
                data = await self._read(response, self._settings.max_response_bytes if ok else MAX_ERROR_BYTES)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            return _Busy(f"no connection ({type(error).__name__})")
        except httpx2.TimeoutException as error:
            return Doubt("timed_out", type(error).__name__, may_pass=True)
        except httpx2.TransportError as error:  # closed within an answer, or no HTTP at all
            return Doubt("connection_lost", type(error).__name__, may_pass=True)
        if not ok:
            return self._refused(response, data or b"")
        if data is None:
            limit = self._settings.max_response_bytes
            return Doubt("response_too_large", f"more than {limit} bytes", may_pass=False)
        try:
            return read_completion(data)
        except Withheld as error:
            return Doubt("content_filter", str(error), may_pass=False)
        except BadResponse as error:
            return Doubt("bad_response", str(error), may_pass=True)

    def _refused(self, response: httpx2.Response, data: bytes) -> Doubt | _Busy:
        status = response.status_code
        if status in BUSY:
            return _Busy(f"status {status}", _retry_after_s(response.headers.get("retry-after")))
        if status in TEXT_REFUSED:
            return Doubt(refusal_code(data), f"status {status}", may_pass=False)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Doubt("server_error", f"status {status}", may_pass=True)
        raise Misconfigured(
            f"{self._settings.base_url} answers status {status} for model {self._settings.model}: "
            "check base_url, model and api_key"
        )

    @staticmethod
    async def _read(response: httpx2.Response, max_bytes: int) -> bytes | None:
        """The body, or None if it is longer than this; the rest is not read."""
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > max_bytes:
                return None
        return bytes(body)


def _retry_after_s(value: str | None) -> float | None:
    """Seconds, from seconds or from a date; None if it is neither."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return seconds if 0.0 < seconds < float("inf") else None
