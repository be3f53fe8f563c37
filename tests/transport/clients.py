"""The Kafka clients that a test can be run with, each skipped where it is not installed."""

from __future__ import annotations

import pytest

CLIENTS = ["kafka-python", pytest.param("confluent", marks=pytest.mark.confluent)]
