"""Alerts and dashboard: every query parses, names what workers export, and every alert leads to a page that helps."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.deploy.chart import CHART
from workers.insights.metrics import METRICS as OF_INSIGHTS
from workers.telemetry.names import METRICS, Metric

ROOT = Path(__file__).parents[2]
ALERTS = CHART / "files" / "alerts.yaml"
DASHBOARD = CHART / "files" / "dashboard.json"
SCRAPED = {"job", "instance", "pod", "namespace"}  # labels that Prometheus adds
OTHERS = {"up", "process_start_time_seconds", "process_resident_memory_bytes"}
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
STRING = re.compile(r'"[^"]*"')

promtool = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(promtool is None, reason="promtool is not there: apt-get install prometheus")


def series(metric: Metric) -> set[str]:
    suffixes = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
    return {metric.name + suffix for suffix in suffixes}


EXPORTED = {name: metric for metric in (*METRICS, *OF_INSIGHTS) for name in series(metric)}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Where it stands, and PromQL without Grafana's variables."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$instance", ".*")
    yield (
        "ScaledObject",
        'sum(enrich_backlog_seconds{namespace="enrich",pod=~"enrich-[0-9]+"})',
    )  # held to by test_chart.py


QUERIES = list(queries())


@pytest.mark.parametrize(("where", "query"), QUERIES, ids=[where for where, _ in QUERIES])
def test_every_query_parses_and_names_what_is_exported(where: str, query: str) -> None:
    promql_parser.parse(query)
    words = set(NAME.findall(STRING.sub("", query)))
    metrics = {word for word in words if word.startswith(("enrich_", "process_")) or word == "up"}
    assert metrics
    assert metrics <= set(EXPORTED) | OTHERS
    labels = SCRAPED | {"le"} | {label for name in metrics & set(EXPORTED) for label in EXPORTED[name].labels}
    selected = {word for group in re.findall(r"\{([^}]*)\}", query) for word in NAME.findall(STRING.sub("", group))}
    grouped = {
        word for group in re.findall(r"\b(?:by|on|ignoring) ?\(([^)]*)\)", query) for word in NAME.findall(group)
    }
    assert selected | grouped <= labels


def test_every_alert_links_a_section_of_the_runbook_that_says_what_to_do() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    sections = {slug(title): body for title, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.M | re.S)}
    for rule in rules():
        page, anchor = rule["annotations"]["runbook"].split("#")
        assert page == "docs/runbook.md"
        assert rule["alert"] in sections[anchor], f"the section does not name {rule['alert']}"
        assert rule["labels"]["severity"] in ("page", "ticket")


def as_grafana_reads(dashboard: dict[str, Any]) -> Any:
    """Read into the types that Grafana's schemas generate, and written again."""
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(copy.deepcopy(dashboard))))


def slug(title: str) -> str:
    """As GitHub makes anchors of headings."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_alerts_that_the_dashboard_names_exist() -> None:
    named = {name for panel in panels() for name in re.findall(r"\bEnrich\w+", panel["description"])}
    assert named
    assert named <= {rule["alert"] for rule in rules()}


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard))) - {"__all"} <= variables
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["datasource"]["uid"] == "${datasource}"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def lost(given: Any, kept: Any, path: str = "") -> list[str]:
    """Where `given` has something that `kept` has not."""
    if isinstance(given, dict) and isinstance(kept, dict):
        return [place for key, value in given.items() for place in lost(value, kept.get(key), f"{path}/{key}")]
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        return [
            place
            for number, pair in enumerate(zip(given, kept, strict=True))
            for place in lost(*pair, f"{path}/{number}")
        ]
    return [] if given == kept else [path]


def test_grafanas_own_types_take_all_of_the_dashboard() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert lost(dashboard, as_grafana_reads(dashboard)) == []
    panel = next(number for number, panel in enumerate(dashboard["panels"]) if panel["type"] == "timeseries")
    dashboard["panels"][panel]["options"]["legned"] = {}
    dashboard["panels"][panel]["fieldConfig"]["defaults"]["units"] = "s"
    places = [f"/panels/{panel}/options/legned", f"/panels/{panel}/fieldConfig/defaults/units"]
    assert sorted(lost(dashboard, as_grafana_reads(dashboard))) == sorted(places), "they have eyes"


def test_panels_do_not_cover_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        place = panel["gridPos"]
        columns, lines = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in columns for y in lines}
        assert not cells & taken, panel["title"]
        taken |= cells


@needs_promtool
def test_prometheus_takes_the_rules_and_they_fire_when_they_should(tmp_path: Path) -> None:
    shutil.copy(ALERTS, tmp_path / "alerts.yaml")
    shutil.copy(Path(__file__).parent / "alerts.test.yaml", tmp_path / "alerts.test.yaml")
    for command in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]):
        ran = subprocess.run([str(promtool), *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
