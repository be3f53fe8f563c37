"""`enrich evaluate` as a command: what it prints, what it saves, and the exit codes of its gate."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from tests.fakes.labelled_sets import write_sets
from tests.fakes.tiny_model import write_tiny
from workers.cli.main import app
from workers.errors import ConfigurationError
from workers.lifecycle.report import Report
from workers.models.gate import GATE_FILE, read_gate


class Bench:
    """The tiny model and its data sets in a folder, and the command over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = write_tiny(folder)
        self.model = folder / "model"
        self.sets = write_sets(folder / "data")

    def run(self, *arguments: str | Path, form: str = "tagged") -> Result:
        options = ["--model-trunk", self.folder / "trunk", "--model-precision", "fp32", "--model-device", "cpu"]
        command = ["evaluate", self.model, self.sets[form], "--draws", "20", *options, *arguments]
        return CliRunner().invoke(app, [str(argument) for argument in command])

    def report(self, **changes: float) -> Path:
        """A parent's report: this model's own, with each gated figure of a measure raised by so many points."""
        path = self.folder / "parent.json"
        assert self.run("--out", path).exit_code == 0
        found = orjson.loads(path.read_bytes())
        for figure in found["sets"][0]["figures"]:
            figure["value"] += changes.get(figure["measure"], 0.0)
        found["revision"] = "0" * 64
        path.write_bytes(orjson.dumps(found))
        return path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_json_is_all_that_is_on_stdout_and_is_what_is_saved(bench: Bench) -> None:
    done = bench.run("--json", "--out", bench.folder / "report.json")
    assert done.exit_code == 0, done.output
    printed = Report.model_validate_json(done.stdout)
    assert printed == Report.model_validate_json((bench.folder / "report.json").read_bytes())
    assert not (bench.model / GATE_FILE).exists()


def test_people_get_a_table_and_readmes_get_rows(bench: Bench) -> None:
    assert "PER LOC" in bench.run().stdout
    rows = bench.run("--table", form="summaries").stdout.splitlines()
    assert rows[2].startswith("| task |")
    assert any("LEAD-3" in row and "ROUGE-Lsum" in row for row in rows)


def test_a_model_that_lost_no_more_than_allowed_passes_and_has_a_record(bench: Bench) -> None:
    parent = bench.report(f1=0.9, calibration_error=-50.0, precision=50.0)
    done = bench.run("--gate", parent, "--allow", "1.0")
    assert done.exit_code == 0, done.output
    record = read_gate(bench.model)
    assert record is not None
    assert record.passed
    assert (record.parent, record.allowed_points) == ("0" * 64, 1.0)
    assert [figure.name for figure in record.figures] == ["tagged entities f1 PER LOC"]
    revision = Report.model_validate_json(bench.run("--json").stdout).revision
    assert record.revision == revision, "the record must not change the revision that it vouches for"


def test_each_figure_that_lost_more_is_one_line_and_exit_code_1(bench: Bench) -> None:
    parent = bench.report(f1=1.1)
    done = bench.run("--gate", parent)
    assert done.exit_code == 1
    lines = [line for line in done.stderr.splitlines() if "lost" in line]
    assert len(lines) == 1
    assert "tagged entities f1 PER LOC" in lines[0]
    record = read_gate(bench.model)
    assert record is not None
    assert not record.passed
    assert bench.run("--gate", parent, "--allow", "1.2").exit_code == 0
    record = read_gate(bench.model)
    assert record is not None
    assert record.passed, "the newer record counts"


def test_the_parent_may_be_a_model(bench: Bench) -> None:
    done = bench.run("--gate", bench.model, "--allow", "0")
    assert done.exit_code == 0, done.output
    record = read_gate(bench.model)
    assert record is not None
    assert record.parent == record.revision
    assert all(figure.own == figure.parent for figure in record.figures)


def test_a_gate_on_other_data_is_refused_and_leaves_no_record(bench: Bench) -> None:
    parent = bench.report()
    for arguments in (("--limit", "3"), ()):
        form = "tagged" if arguments else "summaries"
        done = bench.run("--gate", parent, *arguments, form=form)
        assert isinstance(done.exception, ConfigurationError)
    assert not (bench.model / GATE_FILE).exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--map", "missing.yaml"), "missing.yaml"),
        (("--gate", "missing.json"), "missing.json"),
        (("missing.jsonl",), "missing.jsonl"),
        (("--standard", "/nowhere"), "uner_ewt"),
    ],
)
def test_what_is_not_there_is_named(bench: Bench, arguments: tuple[str, ...], told: str) -> None:
    done = bench.run(*arguments)
    assert isinstance(done.exception, ConfigurationError)
    assert told in str(done.exception)
    assert "\n" not in str(done.exception)


def test_nothing_to_evaluate_on_is_refused(bench: Bench) -> None:
    done = CliRunner().invoke(app, ["evaluate", str(bench.model)])
    assert isinstance(done.exception, ConfigurationError)
