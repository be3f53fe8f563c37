"""Both ways of a batch side by side, on a model that lays windows end to end on a CPU too, only slowly."""

from __future__ import annotations

import pytest

from benchmarks.ceiling import windows_of
from benchmarks.documents import Sample
from benchmarks.report import Spread
from benchmarks.unpadded import END_TO_END, PADDED, rows_of
from tests.fakes.tiny_model import LABELS, tiny_loaded
from workers.models.shared import SharedEncoderModel
from workers.settings import DEFAULT_MODEL, ModelSettings, Settings

SAMPLES = [Sample(str(number), "The king of Rome met Ada. " * (1 + number % 4), "en") for number in range(12)]


def test_nothing_is_padded_end_to_end_and_both_ways_read_the_same() -> None:
    models = {}
    for way, padding in ((PADDED, "always"), (END_TO_END, "never")):
        own = ModelSettings.model_validate({"precision": "fp32", "device": "cpu", "padding": padding})
        models[way] = SharedEncoderModel(tiny_loaded(), labels=LABELS, settings=own)
    windows = windows_of(Settings(), {DEFAULT_MODEL: models[PADDED]}, SAMPLES)
    padded, bare = rows_of("texts", dict(models), windows, turns=2)
    assert padded[0] == "texts, padded"
    assert isinstance(padded[3], float)
    assert padded[3] > 0
    assert bare[3] == pytest.approx(0)
    assert isinstance(bare[1], Spread)
    assert bare[1].low > 0
