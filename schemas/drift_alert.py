"""What is said when the enrichments of a window no longer look like those of the reference."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field

from schemas.base import FrozenRecord


class DriftState(StrEnum):
    """An alert is raised once and cleared once."""

    RAISED = "raised"
    CLEARED = "cleared"


class Share(FrozenRecord):
    """A bucket of a distribution and how much of it fell there."""

    bucket: str
    reference: float = Field(ge=0, le=1)
    window: float = Field(ge=0, le=1)


class DriftAlert(FrozenRecord):
    """One measure left the reference, or came back. `id` is the same if the alert is sent twice."""

    schema_version: Literal["1"] = "1"
    id: str = Field(description="Measure, state and start of the window")
    measure: str = Field(description="What is distributed differently, e.g. `labels`")
    state: DriftState
    psi: float = Field(ge=0, description="Population stability index of the window against the reference")
    js_distance: float = Field(ge=0, le=1, description="Jensen-Shannon distance, base 2")
    limit: float = Field(gt=0, description="The index above which it is raised, at this number of documents")
    window_start: AwareDatetime
    window_end: AwareDatetime
    documents: int = Field(ge=0, description="Counted in the window")
    reference_documents: int = Field(ge=0)
    shares: tuple[Share, ...] = Field(description="The buckets that contribute most to the index, most first")
