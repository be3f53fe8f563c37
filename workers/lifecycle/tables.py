"""A report for people: a table for the terminal, and Markdown rows for a README. Computes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from workers.lifecycle.report import Figure, Report, SetReport, Speed

# In the order in which a row tells them; the first one it has comes with its interval.
MEASURES = {
    "f1": "F1",
    "precision": "P",
    "recall": "R",
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "auroc": "AUROC",
    "calibration_error": "calibration error",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeLsum": "ROUGE-Lsum",
}
SHOWN_NAMES = 8


def terminal_table(report: Report) -> Table:
    """Every figure; those of single types and of baselines dimmed."""
    table = Table(title=Text(f"{report.model}, revision {report.revision[:12]}, {report.precision}"), show_header=False)
    for justify in ("left", "left", "right"):
        table.add_column(justify=justify, overflow="fold")
    for one in report.sets:
        head = f"{one.name}: {one.items} texts in {one.seconds:.0f} s"
        table.add_row(Text(head, style="bold"), Text("score (95 % interval)"), Text("n"))
        for row in rows_of(one.figures):
            first = row[0]
            what = f"    {first.type}" if first.type else f"{first.task}: {first.scope}"
            style = "dim" if first.type or first.baseline else None
            table.add_row(Text(what), Text(score_text(row)), str(first.count), style=style)
        if one.not_scored:
            table.add_row(Text(_not_scored(one), style="dim"))
        table.add_section()
    return table


def markdown(report: Report) -> str:
    """The rows of a README: what is about a whole scope, with the baselines, without single types."""
    lines = [_caption(report), "", "| task | data | what | score (95 % interval) | n |", "|---|---|---|---|---|"]
    for one in report.sets:
        for row in rows_of([figure for figure in one.figures if figure.type is None]):
            first = row[0]
            lines.append(f"| {first.task} | {one.name} | {first.scope} | {score_text(row)} | {first.count} |")
    if report.speed:
        lines.append(f"| price | | all stages against the bare trunk | {speed_text(report.speed)} | |")
    return "\n".join(lines)


def rows_of(figures: Sequence[Figure]) -> list[list[Figure]]:
    """Figures of one task, scope, type and count stand in one row, in the order of `MEASURES`."""
    rows: dict[tuple[object, ...], list[Figure]] = {}
    for figure in figures:
        rows.setdefault((figure.task, figure.scope, figure.type, figure.count), []).append(figure)
    order = list(MEASURES)
    return [sorted(row, key=lambda figure: order.index(figure.measure)) for row in rows.values()]


def score_text(row: Sequence[Figure]) -> str:
    """`F1 74.6 (70.4 to 78.6), P 73.8, R 75.4`: the parts of an F1 without intervals of their own."""
    parts = []
    for figure in row:
        interval = "" if figure.measure in ("precision", "recall") else f" ({figure.low:.1f} to {figure.high:.1f})"
        parts.append(f"{MEASURES[figure.measure]} {figure.value:.1f}{interval}")
    return ", ".join(parts)


def speed_text(speed: Speed) -> str:
    return (
        f"{speed.ratio:.2f} ({speed.low:.2f} to {speed.high:.2f} in {speed.turns} turns): {speed.tokens_per_s:.0f} "
        f"against {speed.trunk_tokens_per_s:.0f} tokens/s on {speed.threads} thread(s)"
    )


def _caption(report: Report) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return (
        f"`{report.model}`, revision `{report.revision[:12]}`, {report.precision}; in points; intervals from "
        f"{report.draws} bootstrap draws over texts; {versions}; {report.seconds / 60:.0f} minutes."
    )


def _not_scored(one: SetReport) -> str:
    rest = len(one.not_scored) - SHOWN_NAMES
    names = ", ".join(one.not_scored[:SHOWN_NAMES])
    return f"not scored: {names}{f' and {rest} more' if rest > 0 else ''}"
