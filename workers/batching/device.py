"""Threads that work in steps until told to stop, and the device, whose own thread alone runs forward passes.

Several batchers may share one device: it is theirs in turns. The threads are daemons: a forward pass that never comes
back cannot be stopped, and must not hold up the end of the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue


class Device:
    """One step at a time, in the order of asking, all in one thread. Which one matters on CPUs: see `workers.apart`."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Callable[[], bool], Future[bool]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)
        self._thread.start()

    def run(self, step: Callable[[], bool]) -> bool:
        """Waits for the device, and then for `step`; returns what it returns, raises what it raises."""
        answer: Future[bool] = Future()
        self._asked.put((step, answer))
        return answer.result()

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for it."""
        return not self._asked.empty()

    def close(self, timeout_s: float = 5.0) -> None:
        """Once nobody asks any more. Waits for the step under way, up to this time."""
        self._asked.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            step, answer = asked
            try:
                answer.set_result(step())
            except BaseException as error:  # noqa: BLE001 - whoever asked gets it, whatever it is
                answer.set_exception(error)
            del asked, step, answer  # and with them the tensors that an error's traceback holds


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
