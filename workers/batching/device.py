"""Threads that work in steps until told to stop. One of them is the device thread: nothing else runs a forward pass.

Several batchers may share one device: it is theirs in turns. The threads are daemons: a forward pass that never comes
back cannot be stopped, and must not hold up the end of the process.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Device:
    """One forward pass at a time, in the order of asking. A plain lock may go to the same thread again and again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()  # until the thread before hands the device over

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


class StepThread:
    """Calls `step` until it says False. Whatever it raises ends the thread and is told to `on_death`, once."""

    def __init__(self, name: str, step: Callable[[], bool], *, on_death: Callable[[BaseException], None]) -> None:
        self._step = step
        self._on_death = on_death
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Whether it has ended within this time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except BaseException as error:  # noqa: BLE001 - also SystemExit: somebody waits for what this thread owes
            self._on_death(error)
