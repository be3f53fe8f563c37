"""What readers' verdicts say about a model's scores: how sure it may be, and from which score on a type counts."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from schemas.base import FrozenRecord, StageName

REVISION_DIGITS = 12  # of a model's digest; enough to tell its revisions apart
NEAREST = 1e-6  # a score nearer to 0 or 1 has no finite odds

Temperature = Annotated[float, Field(ge=0.25, le=4.0, description="The score's log-odds are divided by it")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Threshold = Annotated[float, Field(ge=0.0, le=0.99)]


def calibrated(score: float, temperature: float) -> float:
    """The published score: the model's, its log-odds over the temperature (Guo et al. 2017, arXiv:1706.04599)."""
    return 1.0 / (1.0 + math.exp(-log_odds(score) / temperature))


def uncalibrated(score: float, temperature: float) -> float:
    """The model's score behind a published one."""
    return calibrated(score, 1.0 / temperature)


def log_odds(score: float) -> float:
    inside = min(max(score, NEAREST), 1.0 - NEAREST)
    return math.log(inside / (1.0 - inside))


class CalibrationState(StrEnum):
    """A proposal waits until somebody accepts or refuses it; workers use accepted ones alone."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class JudgedType(FrozenRecord):
    """What a threshold does to the judged items of a type, each looked at by a fit that did not see its document."""

    judged: int = Field(ge=0)
    precision_before: Share
    precision_after: Share = Field(description="Of those that are still published")
    right_kept: Share = Field(description="Of the right items, how many are still published")


class HeadCalibration(FrozenRecord):
    """The scores of one stage. It can only take items away: what the model's own thresholds leave out stays out."""

    temperature: Temperature = 1.0
    thresholds: dict[str, Threshold] = Field(
        default_factory=dict, description="Type or label, and the published score from which on it counts"
    )
    judged: int = Field(ge=0, description="Verdicts it was fitted to")
    log_loss_before: float = Field(ge=0, description="Of the verdicts under the scores, natural logarithm")
    log_loss_after: float = Field(ge=0, description="The same under scores of fits that did not see the document")
    types: dict[str, JudgedType] = Field(default_factory=dict, description="The types of `thresholds`, held out")


class Calibration(FrozenRecord):
    """Proposed from corrections, or in force. The key names model, revision and whether it is the one in force."""

    schema_version: Literal["1"] = "1"
    id: str = Field(min_length=1, max_length=64, description="Hash of what it changes; receipts name it")
    state: CalibrationState
    model: str = Field(min_length=1, max_length=200)
    revision: str = Field(min_length=1, max_length=REVISION_DIGITS, description="First digits of the model's digest")
    heads: dict[StageName, HeadCalibration] = Field(min_length=1)
    at: AwareDatetime = Field(description="When it was fitted")

    @property
    def key(self) -> str:
        """A proposal and its refusal share a key, so that a compacted topic keeps the last word on either."""
        in_force = self.state is CalibrationState.ACCEPTED
        return f"{self.model}@{self.revision}/{'accepted' if in_force else 'proposed'}"

    def concerns(self, model: str, revision: str) -> bool:
        return model == self.model and revision[:REVISION_DIGITS] == self.revision
