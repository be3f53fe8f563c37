"""Which calibrations are in force, and what they mean for the stages of a pipeline. Knows no topic."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from schemas import AppliedCalibration, Calibration, CalibrationState, StageName
from workers.enrich.lanes import Lane

log = logging.getLogger(__name__)


class CalibrationsInForce:
    """The accepted ones, as a topic has them. Written by one thread, read by others: what is read is whole."""

    def __init__(self) -> None:
        self._accepted: tuple[Calibration, ...] = ()

    def __call__(self) -> tuple[Calibration, ...]:
        return self._accepted

    def replace(self, values: Mapping[bytes, bytes]) -> None:
        """`values` are the last ones of all keys. One that is not a calibration, or says that it has another key, is
        passed over with a warning: nobody's typing may stop a worker."""
        accepted = []
        for key, value in values.items():
            try:
                found = Calibration.model_validate_json(value)
            except ValidationError:
                log.warning("a record on the topic of calibrations is none, and is passed over")
                continue
            if found.state is CalibrationState.ACCEPTED and found.key.encode() == key:
                accepted.append(found)
        self._accepted = tuple(accepted)


def applied_to(
    lanes: Mapping[StageName, Lane], calibrations: Sequence[Calibration]
) -> dict[StageName, AppliedCalibration]:
    """What concerns each stage: the one for its model and revision, if that says anything of the stage."""
    applied = {}
    for stage, lane in lanes.items():
        for calibration in calibrations:
            head = calibration.heads.get(stage)
            if head is not None and calibration.concerns(lane.info.name, lane.info.revision):
                applied[stage] = AppliedCalibration(
                    id=calibration.id, temperature=head.temperature, thresholds=head.thresholds
                )
    return applied
