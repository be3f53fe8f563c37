"""Answers held against each other where rounding may differ: same spans, labels and sentences, near scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from schemas.base import StageName
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    RelationsResult,
    StageResult,
    SummaryResult,
)


def assert_near(
    found: Mapping[StageName, StageResult], wanted: Mapping[StageName, StageResult], *, scores: float
) -> None:
    """`scores`: by how much a number may differ."""
    assert set(found) == set(wanted)
    for stage, own in found.items():
        other = wanted[stage]
        match own, other:
            case EntitiesResult(), EntitiesResult():
                assert [(e.type, e.start, e.end) for e in own.entities] == [
                    (e.type, e.start, e.end) for e in other.entities
                ]
                assert [e.score for e in own.entities] == pytest.approx([e.score for e in other.entities], abs=scores)
            case RelationsResult(), RelationsResult():
                here, there = ({(r.head, r.type, r.tail): r.score for r in r_.relations} for r_ in (own, other))
                assert all(
                    here.get(key, 0.05) == pytest.approx(there.get(key, 0.05), abs=scores) for key in here | there
                )
            case ClassificationResult(), ClassificationResult():
                assert own.scores == pytest.approx(other.scores, abs=scores)
            case SummaryResult(), SummaryResult():
                assert own.salience == pytest.approx(other.salience, abs=scores)
                assert np.abs(own.vectors.astype(int) - other.vectors.astype(int)).max(initial=0) <= 1 + 127 * scores
            case _:
                raise AssertionError(f"{type(own).__name__} is not {type(other).__name__}")
