"""Scores and thresholds refitted from readers' corrections: how many verdicts that needs, where it goes, who obeys."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from workers.settings.base import FrozenSettings


class CalibrationSettings(FrozenSettings):
    """`enrich insights` proposes, `enrich calibrations` accepts, `enrich worker` follows if it is told to."""

    topic: str = Field(
        "documents.calibrations", description="compacted topic of proposals and of what is in force; made by insights"
    )
    follow: bool = Field(
        False, description="whether a worker uses accepted calibrations, new ones from its next epoch on"
    )
    min_judged: PositiveInt = Field(
        200, ge=50, description="scored verdicts on a stage of a model from which on its temperature is refitted"
    )
    min_type_judged: PositiveInt = Field(
        60, ge=20, description="scored verdicts on a type or label from which on its threshold is refitted"
    )
    every_s: PositiveFloat = Field(300.0, description="seconds between two fits, if new verdicts came")
