"""Calibrations for a worker: none, or those that were accepted on a topic, kept up to date while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from schemas import Calibration
from workers.enrich.calibrations import CalibrationsInForce
from workers.settings import Settings

Calibrations = Callable[[], Sequence[Calibration]]  # those in force now


@contextmanager
def followed_calibrations(settings: Settings) -> Iterator[Calibrations]:
    """None in force unless `calibration.follow` is set. Raises as `kafka_follower.following` does."""
    if not settings.calibration.follow:
        yield tuple
        return
    from workers.transport.kafka_follower import following

    in_force = CalibrationsInForce()
    with following(settings.kafka, settings.calibration.topic, in_force.replace):
        yield in_force
