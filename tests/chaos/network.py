"""A TCP proxy between one worker and its brokers, which can be told to cut, delay or swallow everything.

Runs an event loop on a thread of its own; every method may be called from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Sequence
from types import TracebackType

Address = tuple[str, int]
CHUNK_BYTES = 65_536


class Network:
    """Everything that one worker sends and gets. `ports` are to be told to it in place of the brokers' own."""

    def __init__(self, links: int) -> None:
        self._sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(links)]
        self.ports = [listening.getsockname()[1] for listening in self._sockets]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos-network", daemon=True)
        self._open = asyncio.Event()
        self._open.set()
        self._refusing = False
        self._delay_s = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._sessions: set[asyncio.Task[None]] = set()

    def start(self, targets: Sequence[Address]) -> None:
        """The connection at `ports[i]` leads to `targets[i]`."""
        self._thread.start()
        for listening, target in zip(self._sockets, targets, strict=True):
            asyncio.run_coroutine_threadsafe(self._serve(listening, target), self._loop).result(10.0)

    def cut(self) -> None:
        """Close all connections, and refuse new ones until `heal`."""
        self._loop.call_soon_threadsafe(self._cut)

    def swallow(self) -> None:
        """Nothing passes until `heal`; then what was on its way arrives, as after a partition."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def delay(self, seconds: float) -> None:
        self._delay_s = seconds

    def heal(self) -> None:
        self._delay_s = 0.0
        self._refusing = False
        self._loop.call_soon_threadsafe(self._open.set)

    def close(self) -> None:
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10.0)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10.0)
        self._loop.close()
        for listening in self._sockets:
            listening.close()

    def __enter__(self) -> Network:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def _serve(self, listening: socket.socket, target: Address) -> None:
        async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._sessions.add(task)
            try:
                await self._session(reader, writer, target)
            finally:
                self._sessions.discard(task)

        await asyncio.start_server(session, sock=listening)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Address) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(*target)
        except OSError:  # that broker is down
            writer.transport.abort()
            return
        ends = (writer, upstream_writer)
        self._writers.update(ends)
        pumps = [
            asyncio.create_task(self._pump(reader, upstream_writer)),
            asyncio.create_task(self._pump(upstream_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for end in ends:
                end.transport.abort()
            self._writers.difference_update(ends)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await self._open.wait()
                writer.write(data)
                await writer.drain()

    def _cut(self) -> None:
        self._refusing = True
        for writer in self._writers:
            writer.transport.abort()

    async def _end(self) -> None:
        self._cut()
        for session in list(self._sessions):
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
