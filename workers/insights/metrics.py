"""What insights tells Prometheus at `/metrics`: how far it is from the reference, and what it has counted.

No label comes from a document.
"""

from __future__ import annotations

from collections.abc import Iterator

from workers.insights.drift import MEASURES
from workers.insights.state import Insights
from workers.telemetry.names import Metric
from workers.telemetry.prometheus import Sample, exposition_of, families

PSI = Metric(
    "enrich_drift_psi",
    "gauge",
    "Population stability index of the last compared window against the reference. Absent before the first",
    ("measure",),
)
LIMIT = Metric("enrich_drift_limit", "gauge", "The index above which that window raised an alert", ("measure",))
JS_DISTANCE = Metric(
    "enrich_drift_js_distance", "gauge", "Jensen-Shannon distance of that window, 0 to 1", ("measure",)
)
ALERT = Metric("enrich_drift_alert", "gauge", "1 while an alert is raised and not cleared", ("measure",))
LEARNING = Metric("enrich_drift_learning", "gauge", "1 while the reference is still being learned")
COMPARED = Metric(
    "enrich_drift_compared_timestamp_seconds", "gauge", "Unix time of the end of that window", ("measure",)
)
RECORDS = Metric(
    "enrich_insights_records_total",
    "counter",
    "Records counted since the start of the topics: enriched, dead, tombstones, unreadable",
    ("outcome",),
)
CAUGHT_UP = Metric("enrich_insights_caught_up", "gauge", "1 if nothing more was waiting when the last batch was taken")
PROPOSED = Metric("enrich_calibrations", "gauge", "Calibrations by state: proposed, accepted, refused", ("state",))

METRICS = (PSI, LIMIT, JS_DISTANCE, ALERT, LEARNING, COMPARED, RECORDS, CAUGHT_UP, PROPOSED)
OUTCOMES = ("enriched", "dead", "tombstones", "unreadable")
STATES = ("proposed", "accepted", "refused")


def exposition(insights: Insights) -> bytes:
    """All metrics, each with its help; those that have nothing to tell without a sample."""
    return exposition_of(families(metric, list(samples(metric, insights))) for metric in METRICS)


def samples(metric: Metric, insights: Insights) -> Iterator[Sample]:
    drift = insights.drift
    match metric.name:
        case ALERT.name:
            yield from (((measure,), float(measure in drift.raised)) for measure in MEASURES)
        case LEARNING.name:
            yield (), float(drift.learning)
        case RECORDS.name:
            counts = insights.ledger.total().counts
            yield from (((outcome,), float(counts.get(outcome, 0))) for outcome in OUTCOMES)
        case CAUGHT_UP.name:
            yield (), float(insights.caught_up)
        case PROPOSED.name:
            states = [calibration.state.value for calibration in insights.proposals.all()]
            yield from (((state,), float(states.count(state))) for state in STATES)
        case _:
            field = {PSI: "psi", LIMIT: "limit", JS_DISTANCE: "js_distance", COMPARED: "window_end_s"}[metric]
            readings = drift.readings
            yield from (((name,), getattr(readings[name], field)) for name in MEASURES if name in readings)
