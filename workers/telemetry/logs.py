"""What a worker says to its operator: JSON lines, or plain lines on a terminal. A healthy worker says nothing.

No log line may quote a document: of an error that is not ours only the type and the places are written.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

import orjson

from workers.errors import EnrichError

# What every record has; the rest was given as `extra`.
STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
PLAIN_TYPES = (str, int, float, bool, type(None))


def configure_logging(*, level: str = "WARNING", stream: TextIO | None = None, human: bool | None = None) -> None:
    """Send everything from `level` on to the stream (stderr), once. `human` None: plain lines if it is a terminal."""
    target = sys.stderr if stream is None else stream
    plain = target.isatty() if human is None else human
    handler = logging.StreamHandler(target)
    handler.setFormatter(HumanFormatter() if plain else JsonFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, JsonFormatter | HumanFormatter):  # ours of an earlier call
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(True)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts, level, logger, message, the fields given as `extra`, and error if there was one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in extra_fields(record).items() if name not in line}
        if (error := _error_of(record)) is not None:
            line["error"] = error_lines(error)
        return orjson.dumps(_encodable(line)).decode()


class HumanFormatter(logging.Formatter):
    """`12:34:56 warning workers.cache.redis: message (field=value)`"""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = ", ".join(f"{name}={value}" for name, value in extra_fields(record).items())
        text = f"{record.getMessage()} ({fields})" if fields else record.getMessage()
        lines = [f"{time} {record.levelname.lower()} {record.name}: {_printable(text)}"]
        if (error := _error_of(record)) is not None:
            lines += [f"    {_printable(line)}" for line in error_lines(error)]
        return "\n".join(lines)


def extra_fields(record: logging.LogRecord) -> Mapping[str, object]:
    """What the caller gave as `extra`; what is not a plain value is named by its type."""
    given = {name: value for name, value in vars(record).items() if name not in STANDARD_FIELDS}
    return {
        name: value if isinstance(value, PLAIN_TYPES) else f"<{type(value).__name__}>" for name, value in given.items()
    }


def error_lines(error: BaseException) -> list[str]:
    """The chain of errors, the outermost first: type, our own messages only, and the places it came through."""
    lines: list[str] = []
    current: BaseException | None = error
    while current is not None and len(lines) < 100:
        said = f": {current}" if isinstance(current, EnrichError) else ""
        lines.append(type(current).__name__ + said)
        frames = traceback.extract_tb(current.__traceback__)
        lines += [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return lines


def _error_of(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def _printable(text: str) -> str:
    """One line without control characters: a log line must not be able to look like two, or move the cursor."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _encodable(value: object) -> object:
    """With lone surrogates and large numbers as text that UTF-8 and JSON can hold."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case bool() | float() | None:
            return value
        case int():
            return value if abs(value) < 2**63 else str(value)
        case dict():
            return {key: _encodable(entry) for key, entry in value.items()}
        case list():
            return [_encodable(entry) for entry in value]
        case _:
            return f"<{type(value).__name__}>"
