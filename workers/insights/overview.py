"""What the page shows of a window, as JSON values: how much, how fast, what, how sure, and whether it is well."""

from __future__ import annotations

from typing import Any

from workers.insights.facts import NAME_SEPARATOR
from workers.insights.ledger import WINDOWS
from workers.insights.state import Insights
from workers.insights.tally import Tally

SHOWN_BUCKETS = 24
SHOWN_NAMES = 15
DEAD_SHARE = 0.05  # of the last hour's records above which the page warns
ALL_TIME = "total"
CHOICES = (*WINDOWS, ALL_TIME)


def overview(insights: Insights, window: str) -> dict[str, Any]:
    """`window` is one of `CHOICES`."""
    now_s = insights.clock()
    tally = insights.ledger.total() if window == ALL_TIME else insights.ledger.window(window, now_s)
    return {
        "window": window,
        "now": now_s,
        "health": health(insights, now_s),
        "total": insights.ledger.total().counts,
        "series": series(insights, "day" if window == ALL_TIME else window, now_s),
        **described(tally),
        "drift": drift(insights),
        "precision": precision(insights),
        "trial_characters": insights.settings.serve_characters if insights.settings.serve_url else 0,
        "calibrations": [calibration.model_dump(mode="json") for calibration in insights.proposals.all()],
        "verdicts": {"kept": len(insights.verdicts), "invalid": insights.verdicts.invalid},
    }


def described(tally: Tally) -> dict[str, Any]:
    """A tally in numbers: seconds as p50, p95 and p99."""
    seconds = {name: sketch.at(0.5, 0.95, 0.99) for name, sketch in sorted(tally.quantiles.items())}
    names = [(*name.partition(NAME_SEPARATOR), count) for name, count in tally.names.most(SHOWN_NAMES)]
    return {
        "counts": tally.counts,
        "mixes": {name: most(mix) for name, mix in sorted(tally.mixes.items())},
        "seconds": seconds,
        "top_entities": [{"type": kind, "text": text, "count": count} for kind, _, text, count in names],
    }


def most(mix: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(mix.items(), key=lambda row: (-row[1], row[0]))[:SHOWN_BUCKETS]


def series(insights: Insights, window: str, now_s: float) -> list[dict[str, Any]]:
    """One point per pane: documents by outcome, and the latency's p50 and p95 where there was any."""
    points = []
    for start_s, tally in insights.ledger.series(window, now_s):
        latency = tally.quantiles.get("latency")
        points.append(
            {
                "start": start_s,
                "enriched": tally.counts.get("enriched", 0),
                "dead": tally.counts.get("dead", 0),
                "latency": latency.at(0.5, 0.95) if latency else None,
            }
        )
    return points


def health(insights: Insights, now_s: float) -> dict[str, Any]:
    """One word and the sentences behind it: `well`, `watch` or `waiting`."""
    hour = insights.ledger.window("hour", now_s).counts
    problems = [f"{measure} drifted from the reference" for measure in sorted(insights.drift.raised)]
    if hour.get("dead", 0) > DEAD_SHARE * max(1, hour.get("records", 0)):
        problems.append(f"{hour['dead']} of the last hour's {hour['records']} records are dead letters")
    if hour.get("unreadable"):
        problems.append(f"{hour['unreadable']} records of the last hour are not readable as a record")
    if not insights.caught_up:
        return {"state": "waiting", "says": ["Reading what is on the topics."]}
    if problems:
        return {"state": "watch", "says": problems}
    if not insights.ledger.total().counts:
        return {"state": "waiting", "says": ["No document has come yet."]}
    return {"state": "well", "says": ["Nothing unusual in the last hour."]}


def drift(insights: Insights) -> dict[str, Any]:
    monitor = insights.drift
    return {
        "learning": monitor.learning,
        "pinned_at": monitor.pinned_at_s,
        "reference_documents": monitor.reference_documents,
        "windows_learned": monitor.windows_learned,
        "windows_wanted": insights.settings.drift_reference_windows,
        "raised": sorted(monitor.raised),
        "readings": {
            name: {"psi": reading.psi, "js": reading.js_distance, "limit": reading.limit, "end": reading.window_end_s}
            for name, reading in monitor.readings.items()
        },
        "alerts": [alert.model_dump(mode="json") for alert in reversed(insights.alerts)],
    }


def precision(insights: Insights) -> list[dict[str, Any]]:
    return [
        {
            "stage": row.stage,
            "model": row.model,
            "revision": row.revision,
            "given": row.given,
            "right": row.right,
            "judged": row.judged,
            "interval": row.interval,
        }
        for row in insights.verdicts.precision()[:SHOWN_BUCKETS]
    ]
