"""A worker's `/metrics`, read as Prometheus reads it."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from workers.telemetry.names import Metric

PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Scrape:
    """What was exported at one moment."""

    samples: tuple[tuple[str, dict[str, str], float], ...]  # name, labels, value

    def value(self, metric: Metric, **labels: str) -> float:
        """The sum of all with these labels; 0 if there is none."""
        return sum(v for name, own, v in self.samples if name == metric.name and labels.items() <= own.items())

    def total(self, metric: Metric) -> float:
        """Over all labels."""
        return self.value(metric)


def parsed(text: str) -> Scrape:
    families = text_string_to_metric_families(text)
    return Scrape(tuple((s.name, dict(s.labels), s.value) for family in families for s in family.samples))


def scrape(host: str, port: int) -> Scrape | None:
    """None while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=PATIENCE_S) as answer:
            return parsed(answer.read().decode())
    except (urllib.error.URLError, OSError, http.client.HTTPException):
        return None
