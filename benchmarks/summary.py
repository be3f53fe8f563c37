"""The figures for the README: one row per figure of what the benchmarks wrote last. Measures nothing.

    python -m benchmarks.summary [FOLDER]

FOLDER is `docs/benchmarks` unless given; what was measured on a GPU has a folder of its own there. What was skipped has
no row. A test holds the README to these rows.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.report import Report, shown

FOLDER = Path("docs/benchmarks")
NOTES = ()  # of a benchmark with a row for every sample: what its notes say is the figure

# What is worth a reader's time, by benchmark, in the order in which it is shown.
COLUMNS: Mapping[str, Sequence[str]] = {
    "limit": ("useful tokens/s", "share of the peak"),
    "throughput": ("documents/s", "share of the ceiling", "padding waste"),
    "peers": ("documents/s", "ours is faster by"),
    "mix": ("useful tokens/s", "against all short", "padding waste", "start and end tokens"),
    "latency": ("p50 ms", "p95 ms", "p99 ms"),
    "scale": ("documents/s", "CPU ms per document", "against the first"),
    "exactly_once": ("documents/s", "price of transactions, %"),
    "overhead": ("CPU ms per document",),
    "memory": NOTES,
    "crew": ("documents/s", "share of the ceiling", "against the fewest"),
}


def read_reports(folder: Path) -> list[Report]:
    """Those that are there. Raises ValidationError for a file that no benchmark wrote."""
    paths = [folder / f"{name}.json" for name in COLUMNS]
    return [Report.model_validate_json(path.read_bytes()) for path in paths if path.is_file()]


def rows_of(report: Report) -> list[str]:
    """Markdown rows of three columns: benchmark, what was measured, figures with their units."""
    columns = COLUMNS[report.benchmark]
    if not columns:
        return [f"| {report.benchmark} | {report.question} | {' '.join(report.notes)} |"]
    rows = []
    for row in report.rows:
        cells = dict(zip(report.columns, row, strict=True))
        if told := [f"{name} {shown(cells[name])}" for name in columns if cells[name] is not None]:
            rows.append(f"| {report.benchmark} | {row[0]} | {'; '.join(told)} |")
    return rows


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    print("| benchmark | what | figures: median (lowest to highest turn) |\n| --- | --- | --- |")
    for report in read_reports(folder):
        print("\n".join(rows_of(report)))


if __name__ == "__main__":
    main()
