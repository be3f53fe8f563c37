"""Writes in the background, so that a slow cache does not hold up the pipeline. What does not fit is dropped."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

Values = Mapping[str, bytes]


class BackgroundWriter:
    """Hands values to `write` on a thread of its own, in order. `write` must not raise."""

    def __init__(self, write: Callable[[Values], None], *, max_bytes: int) -> None:
        self._write = write
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[Values, int]] = deque()
        self._held_bytes = 0  # waiting or being written
        self._dropped = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="cache-writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Values that were not even tried."""
        with self._changed:
            return self._dropped

    def put(self, values: Values) -> None:
        """Never waits."""
        size_bytes = sum(len(key) + len(value) for key, value in values.items())
        with self._changed:
            if self._closed or self._held_bytes + size_bytes > self._max_bytes:
                self._dropped += len(values)
                return
            self._held_bytes += size_bytes
            self._waiting.append((values, size_bytes))
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Whether all that was put so far has been tried within this time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._held_bytes == 0, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Take nothing more; write what waits as far as the time goes, and drop the rest."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.flush(timeout_s)
        with self._changed:
            self._dropped += sum(len(values) for values, _ in self._waiting)
            self._waiting.clear()
        self._thread.join(max(0.0, deadline_s - time.monotonic()))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                values, size_bytes = self._waiting.popleft()
            try:
                self._write(values)
            finally:
                with self._changed:
                    self._held_bytes -= size_bytes
                    self._changed.notify_all()
