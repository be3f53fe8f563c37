"""How full the batches of each model should be on this machine: measured once, remembered, within what is set."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from workers.batching.calibration import Budgets, find_budgets
from workers.batching.policy import BatchLimit
from workers.models.base import WindowModel
from workers.remembered import FOLDER, Remembered
from workers.settings import (
    ModelSettings,
    SequenceClassificationModel,
    Settings,
    TokenClassificationModel,
    ZeroShotModel,
)

ENCODERS = ModelSettings | TokenClassificationModel | SequenceClassificationModel | ZeroShotModel


def measured_budgets(settings: Settings, models: Mapping[str, WindowModel[Any, Any]]) -> dict[str, Budgets]:
    """How full batches should be, by lane: as this machine remembers for the model, else as measured now, in seconds.

    Only for models that encode and no more. Those that write are not made faster by it, and take minutes to measure.
    """
    from workers.models.measured import machine_key

    limit = BatchLimit(settings.batch.max_items, settings.batch.max_padded_tokens)
    remembered = Remembered(FOLDER / "batches.json", Budgets)
    found = {}
    for name, model in models.items():
        if settings.batch.calibrate and isinstance(settings.spec(name), ENCODERS):
            info = model.info
            key = " ".join(map(str, (machine_key(), info.revision[:16], info.precision, info.device, limit)))
            measure = partial(find_budgets, model, limit, clock=time.perf_counter)
            found[name] = remembered.get_or_measure(key, measure)
    return found
