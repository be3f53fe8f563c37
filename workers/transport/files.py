"""A file or standard input as a source, a file or standard output as the target; no broker.

One record per line, or a whole file as one text. Results are written in order; a target file appears under its name
only when it is complete. It reads and writes bytes: what is in them is the pipeline's business.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from workers.errors import ConfigurationError
from workers.transport.base import (
    Claim,
    Epoch,
    EpochLimits,
    Headers,
    IncomingRecord,
    OutgoingRecord,
    Partition,
    nothing_to_do,
)
from workers.transport.lines import LineReader

log = logging.getLogger(__name__)

STANDARD = "-"
TEXT_HEADERS: Headers = (("content-type", b"text/plain"),)


class FileForm(Enum):
    """How a source is cut into documents."""

    JSON_LINES = "json lines"
    TEXT_LINES = "text lines"  # one document per line
    WHOLE_TEXT = "whole text"  # the file is one document

    @classmethod
    def of(cls, source: str) -> FileForm:
        """By the name: `.txt` and `.text` are text, one document per line."""
        return cls.TEXT_LINES if Path(source).suffix.lower() in {".txt", ".text"} else cls.JSON_LINES


class FileTransport:
    """Implements Transport. Reads one source once; what was read and not published is read again after a rewind."""

    def __init__(
        self,
        source: str,
        target: str,
        *,
        enriched_topic: str,
        dead_topic: str,
        form: FileForm | None = None,
        dead_target: str | None = None,
        max_record_bytes: int = 1_048_576,
        on_progress: Callable[[int], None] = lambda read_bytes: None,
    ) -> None:
        """`dead_target` is a path or `-` for standard error; without it, beside the target as `NAME.dead.jsonl`, or
        standard error if the target is standard output. A record longer than `max_record_bytes` is cut one byte above,
        so that whoever checks the limit sees that it is passed."""
        self._source = source
        self._form = form or FileForm.of(source)
        self._max_record_bytes = max_record_bytes
        self._on_progress = on_progress
        dead_target = dead_target or dead_target_of(target)
        self._outputs = {enriched_topic: Output(target, sys.stdout), dead_topic: Output(dead_target, sys.stderr)}
        self._reader: LineReader | None = None
        self._again: deque[IncomingRecord] = deque()
        self._under_way: deque[Epoch] = deque()
        self._epochs = 0

    def start(self) -> None:
        try:
            descriptor = 0 if self._source == STANDARD else os.open(self._source, os.O_RDONLY)
            self._reader = LineReader(
                descriptor,
                max_bytes=self._max_record_bytes + 1,
                whole=self._form is FileForm.WHOLE_TEXT,
                owned=self._source != STANDARD,
            )
            for output in self._outputs.values():
                output.open()
        except OSError as error:
            raise ConfigurationError(f"cannot open {error.filename or self._source}: {error.strerror}") from error

    def poll(self, limits: EpochLimits, *, timeout_s: float, accept: bool) -> Epoch | None:
        if not accept:
            return None
        records: list[IncomingRecord] = []
        size_bytes = 0
        while len(records) < limits.max_records and size_bytes < limits.max_bytes:
            record = self._next_record(0.0 if records else timeout_s)
            if record is None:
                break
            length = len(record.value or b"")
            if records and size_bytes + length > limits.max_bytes:
                self._again.appendleft(record)
                break
            records.append(record)
            size_bytes += length
        if not records:
            return None
        next_offsets = {records[-1].partition: records[-1].offset + 1}
        epoch = Epoch(self._epochs, tuple(records), next_offsets, Claim(None))
        self._epochs += 1
        self._under_way.append(epoch)
        return epoch

    def announce(self, epoch: Epoch) -> Future[None]:
        return nothing_to_do()  # there is nobody else

    def farewell(self) -> Future[None]:
        return nothing_to_do()

    def publish(self, epoch: Epoch, records: Sequence[OutgoingRecord]) -> Future[None]:
        done: Future[None] = Future()
        try:
            for record in records:
                if record.value is not None:
                    self._outputs[record.topic].write(record.value)
            for output in self._outputs.values():
                output.flush()
        except OSError as error:
            done.set_exception(ConfigurationError(f"cannot write {error.filename or 'the output'}: {error.strerror}"))
            return done
        self._under_way.popleft()
        if self._reader is not None:
            self._on_progress(self._reader.read_bytes)
        done.set_result(None)
        return done

    def rewind(self) -> None:
        records = [record for epoch in self._under_way for record in epoch.records]
        self._under_way.clear()
        self._again.extendleft(reversed(records))

    def exhausted(self) -> bool:
        return self._reader is not None and self._reader.ended and not self._again

    def close(self, *, timeout_s: float) -> None:
        complete = self.exhausted() and not self._under_way
        if self._reader is not None:
            self._reader.close()
        for output in self._outputs.values():
            output.close(complete=complete)

    def _next_record(self, timeout_s: float) -> IncomingRecord | None:
        if self._again:
            return self._again.popleft()
        assert self._reader is not None, "start comes first"
        line = self._reader.next_line(timeout_s)
        if line is None:
            return None
        headers = () if self._form is FileForm.JSON_LINES else TEXT_HEADERS
        return IncomingRecord(Partition(self._source, 0), line.number, None, None, line.content, headers)


class Output:
    """A file that is written beside its name and renamed when complete, or a standard stream."""

    def __init__(self, target: str, stream: object) -> None:
        self._path = None if target == STANDARD else Path(target)
        self._stream = stream
        self._file: BinaryIO | None = None

    @property
    def partial_path(self) -> Path | None:
        return None if self._path is None else self._path.with_name(f"{self._path.name}.partial")

    def open(self) -> None:
        if self.partial_path is not None:
            self._file = self.partial_path.open("wb")
        else:
            self._file = getattr(self._stream, "buffer", None)  # a captured stream may have none

    def write(self, value: bytes) -> None:
        assert self._file is not None, "start comes first"
        self._file.write(value + b"\n")

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def close(self, *, complete: bool) -> None:
        if self._file is None or self._path is None or self.partial_path is None:
            return
        self._file.close()
        self._file = None
        if complete:
            self.partial_path.replace(self._path)
        else:
            log.warning("not finished: what there is lies in %s", self.partial_path)


def dead_target_of(target: str) -> str:
    """Where dead letters go by default."""
    if target == STANDARD:
        return STANDARD
    path = Path(target)
    return str(path.with_name(f"{path.stem}.dead.jsonl"))
