"""Log lines: machine-readable, one per event, and never the text of a document."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from workers.errors import CacheDown
from workers.telemetry.logs import configure_logging

SECRET = "text of a document"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    configure_logging(stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_healthy_worker_is_silent(stream: io.StringIO) -> None:
    logging.getLogger("workers.x").info("all is well")
    assert stream.getvalue() == ""


def test_a_warning_is_one_json_object_with_its_fields(stream: io.StringIO) -> None:
    logging.getLogger("workers.x").warning("lost %d\nlines", 3, extra={"partition": 7, "odd": object()})
    (line,) = lines(stream)
    assert str(line.pop("ts")).endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "workers.x",
        "message": "lost 3\nlines",
        "partition": 7,
        "odd": "<object>",
    }


def test_an_error_is_told_by_type_and_place_and_only_our_own_message(stream: io.StringIO) -> None:
    def fail() -> None:
        try:
            raise ValueError(SECRET)
        except ValueError as error:
            raise CacheDown("no answer in time") from error

    try:
        fail()
    except CacheDown:
        logging.getLogger("workers.x").exception("it failed")
    (line,) = lines(stream)
    error = line["error"]
    assert isinstance(error, list)
    assert error[0] == "CacheDown: no answer in time"
    assert "ValueError" in error
    assert any(entry.endswith("in fail") and __file__ in entry for entry in error)
    assert SECRET not in stream.getvalue()


def test_text_that_is_no_utf_8_and_numbers_that_are_no_json_are_written(stream: io.StringIO) -> None:
    logging.getLogger("workers.x").warning("half \ud83d", extra={"big": 2**70, "nan": float("nan")})
    (line,) = lines(stream)
    assert line["message"] == "half \\ud83d"
    assert line["big"] == str(2**70)
    assert line["nan"] is None


def test_a_terminal_gets_plain_lines_that_nobody_can_forge() -> None:
    terminal = Terminal()
    configure_logging(stream=terminal)
    logging.getLogger("workers.x").warning("a\nb\x1b[2J", extra={"partition": 7})
    (line,) = terminal.getvalue().splitlines()
    assert line.endswith(r"warning workers.x: a\nb\x1b[2J (partition=7)")


def test_setting_it_up_twice_writes_every_line_once(stream: io.StringIO) -> None:
    configure_logging(stream=stream)
    logging.getLogger("workers.x").warning("once")
    assert len(lines(stream)) == 1


def test_warnings_of_libraries_are_log_lines_too(stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logging(stream=stream)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(False)
    assert [line["logger"] for line in lines(stream)] == ["py.warnings"]
