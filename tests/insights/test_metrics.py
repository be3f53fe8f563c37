"""What Prometheus reads: every metric as declared, in a format that its own parser takes, and true."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.enriched_records import dead, enriched
from tests.fakes.page_server import new_state
from tests.insights.test_drift import LEARNED, SHIFTED, USUAL, WINDOW_S, Stream
from workers.insights.drift import MEASURES
from workers.insights.metrics import METRICS, exposition
from workers.insights.state import Insights


def read(state: Insights) -> dict[tuple[str, str], float]:
    """(name, value of its label or nothing) -> value."""
    families = list(text_string_to_metric_families(exposition(state).decode()))
    assert [(family.name, family.type) for family in families] == [
        (metric.name.removesuffix("_total"), metric.kind) for metric in METRICS
    ]
    samples = [sample for family in families for sample in family.samples]
    return {(sample.name, "".join(sample.labels.values())): sample.value for sample in samples}


def test_before_anything_was_compared_there_is_no_index_and_no_alert() -> None:
    told = read(new_state().state)
    assert not [name for name, _ in told if name == "enrich_drift_psi"]
    assert {measure: told["enrich_drift_alert", measure] for measure in MEASURES} == dict.fromkeys(MEASURES, 0.0)
    assert told["enrich_drift_learning", ""] == 1.0
    assert told["enrich_insights_caught_up", ""] == 0.0


def test_a_drifted_measure_is_told_with_its_distance() -> None:
    stream = Stream(**LEARNED)
    stream.run(3 * WINDOW_S, USUAL)
    (alert,) = stream.run(2 * WINDOW_S, SHIFTED)
    told = read(stream.served.state)
    assert told["enrich_drift_alert", "labels"] == 1.0
    assert told["enrich_drift_alert", "lengths"] == 0.0
    assert told["enrich_drift_psi", "labels"] > told["enrich_drift_limit", "labels"] >= 0.25
    assert 0 < told["enrich_drift_js_distance", "labels"] < 1
    assert told["enrich_drift_compared_timestamp_seconds", "labels"] >= alert.window_end.timestamp()
    assert told["enrich_drift_learning", ""] == 0.0


def test_records_are_counted_by_outcome() -> None:
    served = new_state()
    for number in range(3):
        served.publish(enriched(number))
    served.publish(dead(1))
    told = read(served.state)
    assert (told["enrich_insights_records_total", "enriched"], told["enrich_insights_records_total", "dead"]) == (3, 1)
