"""Files and pipes as a transport: cut at \\n only, in order, complete or not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.errors import ConfigurationError
from workers.transport.base import EpochLimits, IncomingRecord, OutgoingRecord
from workers.transport.files import FileForm, FileTransport, dead_target_of
from workers.transport.lines import LineReader

LIMITS = EpochLimits(max_records=2, max_bytes=1_000)


def transport_of(
    folder: Path, content: bytes, *, name: str = "in.jsonl", form: FileForm | None = None
) -> FileTransport:
    (folder / name).write_bytes(content)
    return FileTransport(
        str(folder / name), str(folder / "out.jsonl"), enriched_topic="good", dead_topic="dead", form=form
    )


def pass_through(transport: FileTransport, *, dead: bytes = b"") -> list[IncomingRecord]:
    """Run to the end; records whose value is `dead` go to the dead letters."""
    read: list[IncomingRecord] = []
    transport.start()
    while not transport.exhausted():
        epoch = transport.poll(LIMITS, timeout_s=0.1, accept=True)
        if epoch is None:
            continue
        read += epoch.records
        records = [OutgoingRecord("dead" if r.value == dead else "good", None, r.value) for r in epoch.records]
        assert transport.publish(epoch, records).exception() is None
    transport.close(timeout_s=1.0)
    return read


def test_each_line_comes_out_once_in_order_and_dead_letters_lie_beside(tmp_path: Path) -> None:
    read = pass_through(transport_of(tmp_path, b'{"a":1}\n{"b":2}\nbad\n{"c":3}'), dead=b"bad")
    assert [record.offset for record in read] == [0, 1, 2, 3]
    assert (tmp_path / "out.jsonl").read_bytes() == b'{"a":1}\n{"b":2}\n{"c":3}\n'
    assert (tmp_path / "out.dead.jsonl").read_bytes() == b"bad\n"
    assert not list(tmp_path.glob("*.partial"))


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    line = '{"text": "a\u2028b\u0085c\x0bd\x0ce\rf"}'.encode()  # what str.splitlines would cut at
    assert [record.value for record in pass_through(transport_of(tmp_path, line + b"\n"))] == [line]


def test_blank_lines_count_inside_and_not_at_the_end(tmp_path: Path) -> None:
    read = pass_through(transport_of(tmp_path, b"one\n\n two\n\n  \n\n"))
    assert [(record.offset, record.value) for record in read] == [(0, b"one"), (1, b""), (2, b" two")]


def test_text_is_told_by_its_name_and_says_so_in_a_header(tmp_path: Path) -> None:
    read = pass_through(transport_of(tmp_path, b"one\ntwo\n", name="in.txt"))
    assert [(record.value, record.headers) for record in read] == [
        (b"one", (("content-type", b"text/plain"),)),
        (b"two", (("content-type", b"text/plain"),)),
    ]


def test_a_whole_file_may_be_one_document(tmp_path: Path) -> None:
    read = pass_through(transport_of(tmp_path, b"one\ntwo\n", form=FileForm.WHOLE_TEXT))
    assert [record.value for record in read] == [b"one\ntwo\n"]


def test_an_empty_file_gives_nothing_and_an_empty_result(tmp_path: Path) -> None:
    assert pass_through(transport_of(tmp_path, b"")) == []
    assert (tmp_path / "out.jsonl").read_bytes() == b""


def test_what_was_not_published_is_read_again_after_a_rewind_in_the_same_order(tmp_path: Path) -> None:
    transport = transport_of(tmp_path, b"1\n2\n3\n4\n5\n")
    transport.start()
    epochs = [transport.poll(LIMITS, timeout_s=0.1, accept=True) for _ in range(3)]
    assert [epoch and len(epoch.records) for epoch in epochs] == [2, 2, 1]
    assert transport.exhausted()
    assert epochs[0] is not None
    assert transport.publish(epochs[0], []).exception() is None
    transport.rewind()
    assert not transport.exhausted()
    again = transport.poll(EpochLimits(10, 1_000), timeout_s=0.1, accept=True)
    assert again is not None
    assert [record.value for record in again.records] == [b"3", b"4", b"5"]
    transport.close(timeout_s=1.0)


def test_an_unfinished_result_never_stands_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_bytes(b"the last run's\n")
    transport = transport_of(tmp_path, b"1\n2\n3\n")
    transport.start()
    epoch = transport.poll(LIMITS, timeout_s=0.1, accept=True)
    assert epoch is not None
    assert transport.publish(epoch, [OutgoingRecord("good", None, b"1")]).exception() is None
    transport.close(timeout_s=1.0)
    assert (tmp_path / "out.jsonl").read_bytes() == b"the last run's\n"
    assert (tmp_path / "out.jsonl.partial").read_bytes() == b"1\n"


def test_an_epoch_keeps_to_its_bytes(tmp_path: Path) -> None:
    transport = transport_of(tmp_path, b"aaaa\nbbbb\ncccccccccc\nd\n")
    transport.start()
    limits = EpochLimits(max_records=10, max_bytes=8)
    sizes = []
    while not transport.exhausted():
        epoch = transport.poll(limits, timeout_s=0.1, accept=True)
        if epoch is not None:
            sizes.append([len(record.value or b"") for record in epoch.records])
    transport.close(timeout_s=1.0)
    assert sizes == [[4, 4], [10], [1]]


def test_progress_is_told_in_bytes_as_results_are_written(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"12345\n")
    told: list[int] = []
    target = str(tmp_path / "out.jsonl")
    source = str(tmp_path / "in.jsonl")
    pass_through(FileTransport(source, target, enriched_topic="good", dead_topic="dead", on_progress=told.append))
    assert told == [6]


def test_a_missing_source_and_a_target_that_cannot_be_are_matters_of_configuration(tmp_path: Path) -> None:
    for source, target in ((tmp_path / "none", tmp_path / "out"), (tmp_path, tmp_path / "no" / "out")):
        transport = FileTransport(str(source), str(target), enriched_topic="good", dead_topic="dead")
        with pytest.raises(ConfigurationError, match="cannot open"):
            transport.start()
        transport.close(timeout_s=1.0)


def test_dead_letters_lie_beside_the_target_or_go_to_standard_error() -> None:
    assert dead_target_of("results/out.jsonl") == "results/out.dead.jsonl"
    assert dead_target_of("-") == "-"


def test_a_silent_pipe_is_not_waited_for_and_what_comes_late_is_read() -> None:
    reading, writing = os.pipe()
    reader = LineReader(reading, max_bytes=100, whole=False, owned=True)
    os.write(writing, b"first\nsec")
    assert reader.next_line(0.0) is not None
    assert reader.next_line(0.0) is None
    assert not reader.ended
    os.write(writing, b"ond")
    os.close(writing)
    line = reader.next_line(1.0)
    assert line is not None
    assert (line.number, line.content) == (1, b"second")
    assert reader.next_line(1.0) is None
    assert reader.ended
    reader.close()


def test_a_line_above_the_limit_keeps_one_byte_more_than_allowed_and_harms_no_other(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"a" * 500_000 + b"\nnext\n")
    transport = FileTransport(
        str(tmp_path / "in.jsonl"), str(tmp_path / "out"), enriched_topic="good", dead_topic="dead", max_record_bytes=99
    )
    assert [record.value for record in pass_through(transport)] == [b"a" * 100, b"next"]


@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(1, 7), max_size=20))
def test_the_pieces_a_stream_arrives_in_change_nothing(content: bytes, cuts: list[int]) -> None:
    reader = LineReader(-1, max_bytes=1_000, whole=False, owned=False)
    rest = content
    for cut in cuts:
        if rest[:cut]:
            reader._take(rest[:cut])
        rest = rest[cut:]
    if rest:
        reader._take(rest)
    reader._take(b"")
    lines = []
    while (line := reader.next_line(0.0)) is not None:
        lines.append(line.content)
    expected = [line if line.strip() else b"" for line in content.split(b"\n")]
    while expected and not expected[-1]:
        expected.pop()
    assert lines == expected
    assert reader.ended
