"""What README and docs say is there, is there; and no score is written by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.summary import COLUMNS, read_reports, rows_of
from workers.models.config import read_config, revision_of

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
PRINTED = ("docs/evaluation.md", "docs/trained.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_make_targets_of_the_readme_exist() -> None:
    named = set(
        re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert named
    assert named <= there


def test_every_score_of_the_readme_was_printed_by_a_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    scores = re.findall(r"^\| (?:entities|relations|labels|summary|price) \|.*$", readme, flags=re.MULTILINE)
    printed = {line for name in PRINTED for line in (ROOT / name).read_text(encoding="utf-8").splitlines()}
    assert len(scores) > 10
    assert [row for row in scores if row not in printed] == []


def test_the_figures_of_the_readme_are_those_that_benchmarks_wrote() -> None:
    """No more and no less: a benchmark that ran again changes the table, and a row by hand has no place in it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    folder = ROOT / "docs" / "benchmarks"
    written = [row for part in (folder, folder / "h100") for report in read_reports(part) for row in rows_of(report)]
    assert figures_in(readme) == written


def test_the_figures_of_other_machines_are_those_that_benchmarks_wrote() -> None:
    folder = ROOT / "docs" / "benchmarks"
    written = [row for report in read_reports(folder / "zen4") for row in rows_of(report)]
    assert figures_in((folder / "README.md").read_text(encoding="utf-8")) == written


def figures_in(page: str) -> list[str]:
    return [row for row in page.splitlines() if row.startswith(tuple(f"| {name} |" for name in COLUMNS))]


def test_the_printed_scores_are_those_of_the_packaged_model() -> None:
    revision = revision_of(read_config(ROOT / "workers" / "models" / "default"))
    assert f"revision `{revision[:12]}`" in (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
