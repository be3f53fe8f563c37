"""`enrich evaluate`: what a model scores on labelled data, and whether it lost against its parent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from workers.cli.options import with_settings
from workers.errors import ConfigurationError
from workers.settings import Settings

if TYPE_CHECKING:  # what evaluates imports torch
    from workers.lifecycle.evaluate import Options
    from workers.lifecycle.report import Report
    from workers.lifecycle.suite import SetTask

LOST = 1  # exit code: a figure fell by more than allowed


@with_settings("model", "window")
def evaluate(
    model: Annotated[str, typer.Argument(help="packaged model by name, or a folder")],
    data: Annotated[list[Path] | None, typer.Argument(help="labelled files, or folders of *.jsonl")] = None,
    *,
    standard: Annotated[
        Path | None, typer.Option(help="folder of the sets that the packaged model is measured on; scores those it has")
    ] = None,
    names: Annotated[
        Path | None, typer.Option("--map", help="YAML: which of the model's entities and relations the data's are")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="YAML: label: description, for labels that the model was not trained on")
    ] = None,
    out_of_scope: Annotated[Path | None, typer.Option(help="file of texts that fit none of the labels")] = None,
    sentences: Annotated[int | None, typer.Option(min=1, help="sentences of a summary; as the references have")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="records per file; for a quick look")] = None,
    draws: Annotated[int, typer.Option(min=20, help="draws of the bootstrap")] = 1_000,
    speed: Annotated[bool, typer.Option("--speed", help="measure tokens a second against the bare trunk, too")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
    as_rows: Annotated[bool, typer.Option("--table", help="print Markdown rows for a README")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="file to save the report to, as JSON")] = None,
    gate: Annotated[
        str | None, typer.Option(help="parent: a report saved by --out, or a model to evaluate on the same data")
    ] = None,
    allow: Annotated[float, typer.Option(min=0.0, help="points that a figure may lose against the parent")] = 1.0,
    settings: Settings,
) -> None:
    """Score MODEL on DATA: strict entity and relation F1, label accuracy, calibration error, ROUGE against LEAD; each
    with a bootstrap interval. Exit code 1 if --gate found a loss."""
    from workers.lifecycle.bootstrap import Bootstrap
    from workers.lifecycle.evaluate import Options, evaluate_model
    from workers.lifecycle.naming import LabelMap, read_map
    from workers.lifecycle.suite import SetTask, read_labels, standard_suite, tasks_of

    common = SetTask(
        path=Path(),
        names=read_map(names) if names else LabelMap(),
        labels=read_labels(labels) if labels else None,
        outside=out_of_scope,
        sentences=sentences,
    )
    tasks = [*(standard_suite(standard) if standard else ()), *tasks_of(data or [], common)]
    if not tasks:
        raise ConfigurationError("nothing to evaluate on: name labelled files, or a folder with --standard")
    options = Options(Bootstrap(draws=draws), limit=limit, speed=speed)
    with Console(stderr=True).status("opening the model") as status:
        report = evaluate_model(model, tasks, settings, options, report=lambda name: status.update(f"scoring {name}"))
    if out:
        out.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    show(report, as_json=as_json, as_rows=as_rows)
    if gate is not None and not passes(report, model, gate, allow, tasks, settings, options):
        sys.exit(LOST)


def show(report: Report, *, as_json: bool, as_rows: bool) -> None:
    """On stdout: JSON, Markdown, or a table for people."""
    from workers.lifecycle.tables import markdown, speed_text, terminal_table

    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    elif as_rows:
        typer.echo(markdown(report))
    else:
        console = Console()
        console.print(terminal_table(report))
        if report.speed:
            console.print(f"price against the bare trunk: {speed_text(report.speed)}", soft_wrap=True)


def passes(
    report: Report,
    model: str,
    parent: str,
    allowed_points: float,
    tasks: list[SetTask],
    settings: Settings,
    options: Options,
) -> bool:
    """Compares with the parent, leaves the record in the model's folder, and tells on stderr what was lost."""
    from workers.lifecycle.evaluate import evaluate_model
    from workers.lifecycle.gate import compare_reports, describe_loss, read_report
    from workers.models.gate import write_gate

    is_file = Path(parent).is_file()
    other = read_report(Path(parent)) if is_file else evaluate_model(parent, tasks, settings, options)
    record = compare_reports(report, other, allowed_points=allowed_points)
    if Path(model).is_dir():
        write_gate(Path(model), record)
    for figure in record.lost():
        typer.echo(f"enrich: {describe_loss(figure)}", err=True)
    return record.passed
