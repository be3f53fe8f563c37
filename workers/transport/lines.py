"""Cuts a byte stream into lines at \\n and nothing else, without waiting for more than it was told to.

A terminal or a pipe may be silent for long; a worker that has results to publish must not hang in a read.
"""

from __future__ import annotations

import os
import select
from collections import deque
from dataclasses import dataclass

CHUNK_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class Line:
    number: int  # from 0, blank ones counted
    content: bytes  # without its \n


class LineReader:
    """Reads a descriptor to its end. A line longer than `max_bytes` keeps that many; the rest of it is skipped."""

    def __init__(self, descriptor: int, *, max_bytes: int, whole: bool, owned: bool) -> None:
        """`whole` makes one line of everything. `owned` says whether to close the descriptor."""
        self._descriptor = descriptor
        self._max_bytes = max_bytes
        self._whole = whole
        self._owned = owned
        self._start = bytearray()  # of the line that is not finished yet
        self._started = False
        self._ready: deque[Line] = deque()
        self._blanks = 0  # seen, and not given: they count only if something follows
        self._number = 0
        self._end_seen = False
        self.read_bytes = 0

    @property
    def ended(self) -> bool:
        return self._end_seen and not self._ready

    def next_line(self, timeout_s: float) -> Line | None:
        """The next line, or None if there is none within `timeout_s`, or none any more."""
        while not self._ready and not self._end_seen:
            readable, _, _ = select.select([self._descriptor], [], [], timeout_s)
            if not readable:
                return None
            self._take(os.read(self._descriptor, CHUNK_BYTES))
        return self._ready.popleft() if self._ready else None

    def close(self) -> None:
        if self._owned:
            os.close(self._descriptor)
            self._owned = False

    def _take(self, chunk: bytes) -> None:
        if not chunk:
            self._end_seen = True
            if self._started:
                self._finish()
            return
        self.read_bytes += len(chunk)
        pieces = [chunk] if self._whole else chunk.split(b"\n")
        for piece in pieces[:-1]:
            self._extend(piece)
            self._finish()
        self._extend(pieces[-1])
        self._started = self._started or bool(pieces[-1])

    def _extend(self, piece: bytes) -> None:
        self._start += piece[: self._max_bytes - len(self._start)]

    def _finish(self) -> None:
        content = bytes(self._start)
        self._start.clear()
        self._started = False
        if not content.strip():
            self._blanks += 1
            return
        for _ in range(self._blanks):
            self._ready.append(Line(self._number, b""))
            self._number += 1
        self._blanks = 0
        self._ready.append(Line(self._number, content))
        self._number += 1
