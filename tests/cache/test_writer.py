"""Writing in the background: in order, never waiting, and what is dropped is counted."""

from __future__ import annotations

import threading

from workers.cache.writer import BackgroundWriter, Values


def test_everything_put_is_written_in_order() -> None:
    written: list[Values] = []
    writer = BackgroundWriter(written.append, max_bytes=1_000_000)
    values = [{f"name {number}": b"value"} for number in range(100)]
    for value in values:
        writer.put(value)
    writer.close(30)
    assert written == values
    assert writer.dropped == 0


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    gate = threading.Event()
    written: list[Values] = []

    def write(values: Values) -> None:
        assert gate.wait(60)
        written.append(values)

    writer = BackgroundWriter(write, max_bytes=100)
    writer.put({"a": b"x" * 59})
    writer.put({"b": b"x" * 39})
    writer.put({"c": b"x", "d": b"x"})
    assert writer.dropped == 2
    gate.set()
    assert writer.flush(30)
    writer.put({"e": b"x" * 59})
    writer.close(30)
    assert [list(values) for values in written] == [["a"], ["b"], ["e"]]


def test_closing_gives_up_on_a_write_that_hangs_and_counts_what_waited() -> None:
    gate = threading.Event()
    writer = BackgroundWriter(lambda values: assert_opened(gate), max_bytes=1_000)
    for name in ("a", "b", "c"):
        writer.put({name: b"x"})
    writer.close(0.05)
    assert writer.dropped >= 2  # the first may be under way
    writer.put({"late": b"x"})
    assert writer.dropped >= 3
    gate.set()


def assert_opened(gate: threading.Event) -> None:
    assert gate.wait(60)
