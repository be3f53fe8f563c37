"""What all benchmarks share: the documents, the figures, the command that repeats a run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.documents import Sample, cut_to_words, read_samples, sample_of, without_books, write_samples
from benchmarks.machine import describe_machine, processor, resident_mib
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.plots import bars, lines
from benchmarks.report import Report, Spread, in_turns, publish, ratios, shown
from benchmarks.summary import read_reports, rows_of

REPORT = Report(
    benchmark="toy",
    question="How much?",
    command="python -m benchmarks.toy",
    machine={"processor": "abacus"},
    turns=2,
    columns=("what", "beads/s", "share"),
    rows=(("ours", Spread.of([1.0, 3.0, 2.0]), None), ("theirs", 1_234, 0.5)),
)


def test_rows_for_the_readme_name_every_figure_with_its_unit(tmp_path: Path) -> None:
    columns = ("worker", "documents/s", "price of transactions, %")
    rows = (("ours", Spread.of([1.0, 3.0, 2.0]), None), ("plain", 1_234, 0.5), ("theirs: skipped", None, None))
    report = REPORT.model_copy(update={"benchmark": "exactly_once", "columns": columns, "rows": rows})
    (tmp_path / "exactly_once.json").write_text(report.model_dump_json(), encoding="utf-8")
    assert read_reports(tmp_path) == [report]
    assert rows_of(report) == [
        "| exactly_once | ours | documents/s 2.00 (1.00 to 3.00) |",
        "| exactly_once | plain | documents/s 1,234; price of transactions, % 0.50 |",
    ]
    memory = report.model_copy(update={"benchmark": "memory", "notes": ("Level.",)})
    assert rows_of(memory) == ["| memory | How much? | Level. |"]


def test_documents_come_again_in_other_words_when_more_are_asked_for(tmp_path: Path) -> None:
    write_samples(tmp_path / "news.jsonl", [Sample(f"d{n}", f"This is text {n} and it goes on.") for n in range(3)])
    write_samples(tmp_path / "adversarial.jsonl", [Sample("bad", "")])
    found = read_samples(tmp_path, 7)
    assert len({sample.id for sample in found}) == len({sample.text for sample in found}) == 7
    assert {sample.id for sample in found[:3]} == {"d0", "d1", "d2"}
    assert sorted(found[3].text.split()) == sorted(found[0].text.split())
    assert read_samples(tmp_path, 7) == found
    assert sample_of(found[0].value) == found[0]


def test_the_packaged_samples_serve_where_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(read_samples(None, 5)) == 5


def test_no_documents_are_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no documents"):
        read_samples(tmp_path, 5)


def test_texts_are_cut_to_the_words_asked_for() -> None:
    pool = [Sample("a", "one two three four five six seven"), Sample("b", "x" * 30_000)]
    assert [sample.words for sample in cut_to_words(pool, [3, 8, 20])] == [3, 8, 20]
    assert without_books(pool) == pool[:1]


def test_figures_are_medians_of_turns_in_turn() -> None:
    seen: list[str] = []
    in_turns({name: lambda name=name: seen.append(name) for name in "ab"}, 2)  # type: ignore[misc]
    assert seen == ["a", "b", "a", "b"]
    assert ratios([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == Spread(median=2.0, low=1.0, high=3.0)
    assert shown(Spread.of([0.5, 1_000.0, 2_000.0])) == "1,000 (0.50 to 2,000)"
    assert [shown(cell) for cell in (None, 1_234, 0.0123, "name")] == ["-", "1,234", "0.012", "name"]


def test_a_report_is_a_table_figures_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(REPORT, tmp_path / "out", bars("beads/s"))
    assert "| ours | 2.00 (1.00 to 3.00) | - |" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "toy.json").read_text())["rows"][0][1]["median"] == 2.0
    drawn = (tmp_path / "out" / "toy.png").read_bytes()
    publish(REPORT, tmp_path / "out", lines({"a": [(1, 2), (2, 1)], "b": [(1, 1)]}, across="x", up="y", log="x"))
    assert (tmp_path / "out" / "toy.png").read_bytes() != drawn


def test_the_command_tells_what_was_asked_for_and_no_path(tmp_path: Path) -> None:
    parser = make_parser("A toy.", documents=10, turns=3)
    parser.add_argument("--loads", type=float, nargs="+", default=[0.3])
    asked = [str(tmp_path / "corpus"), "--documents", "20", "--out", str(tmp_path), "--loads", "0.5", "0.6"]
    arguments = parser.parse_args(asked)
    assert command_of("toy", parser, arguments) == "python -m benchmarks.toy corpus --documents 20 --loads 0.5 0.6"
    assert settings_of(arguments).cache.kind == "none"


def test_the_machine_is_told_without_its_name() -> None:
    told = describe_machine(broker="embedded")
    assert told["broker"] == "embedded"
    assert os.uname().nodename not in " ".join(told.values())
    assert resident_mib(os.getpid()) > 10


def test_a_processor_is_told_with_its_generation_where_linux_knows_it(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("cpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n\ncpu family\t: 26\n")
    assert processor(cpuinfo) == "AMD EPYC, family 25, model 17"
    cpuinfo.write_text("model name\t: Cortex\n")
    assert processor(cpuinfo) == "Cortex"
    assert processor(tmp_path / "none")
