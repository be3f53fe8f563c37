"""An event loop on a thread of its own, for callers that wait. Owns nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from workers.errors import ModelDown

ResultT = TypeVar("ResultT")


class LoopThread:
    """Runs coroutines for any thread. A daemon: it never holds up the end of the process."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._running: set[Future[Any]] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Blocks. Raises what the coroutine raises, ModelDown if the loop is closed meanwhile."""
        with self._lock:
            if self._closed:
                work.close()
                raise ModelDown("the connection to the model was closed")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._running.add(future)
        try:
            return future.result()
        except CancelledError:
            raise ModelDown("the connection to the model was closed") from None
        finally:
            with self._lock:
                self._running.discard(future)

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Cancel what is running, run `last`, end the thread. Any thread; only the first call does something."""
        with self._lock:
            first, self._closed = not self._closed, True
            running = list(self._running)
        if not first:
            last.close()
            return
        for future in running:
            future.cancel()
        asyncio.run_coroutine_threadsafe(self._end(last), self._loop)
        self._thread.join()

    async def _end(self, last: Coroutine[Any, Any, None]) -> None:
        own = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not own]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        try:
            await last
        finally:
            self._loop.stop()

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()
