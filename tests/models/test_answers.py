"""From what a pass found to results: which relations are kept, on a tiny model whose scores are replaced."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from schemas.base import StageName
from tests.fakes.tiny_model import tiny_model, window_of
from workers.models.answers import DECIMALS, RELATION_FLOOR
from workers.models.config import HeadShape
from workers.stages.results import RelationsResult

MODEL = tiny_model()
TEXTS = ("Ann met Bob in Rome and Eve in Oslo.", "Eve met Bob in Oslo and Ann in Rome.")


def test_relations_are_kept_by_their_rounded_score() -> None:
    batch = MODEL.prepare([window_of(MODEL, text) for text in TEXTS])
    raw = MODEL.forward(batch)
    assert raw.relations is not None
    shape = raw.relations.scores.shape
    scores = np.random.default_rng(1).uniform(RELATION_FLOOR - 0.001, RELATION_FLOOR + 0.001, shape).astype(np.float32)
    scores[0] = RELATION_FLOOR - 0.4 * 10.0**-DECIMALS  # below the floor, and at it when it is rounded
    answers = MODEL.decode(replace(raw, relations=replace(raw.relations, scores=scores)), batch)
    results = [answer[StageName.RELATIONS] for answer in answers]
    found = Counter(r.score for result in results if isinstance(result, RelationsResult) for r in result.relations)
    rounded = np.round(scores.astype(np.float64), DECIMALS)
    assert found == Counter(rounded[rounded >= RELATION_FLOOR].tolist())
    assert 0 < found.total() < scores.size


def test_a_head_whose_rows_would_depend_on_their_place_is_refused() -> None:
    with pytest.raises(ValidationError, match="salience_width"):
        HeadShape(salience_width=8)
