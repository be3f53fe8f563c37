"""How full the batches of each model should be on this machine: measured once, remembered, within what is set."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from workers.apart import apart
from workers.batching.calibration import Budgets, Threads, find_budgets, find_threads, warm_up
from workers.batching.policy import limit_for
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


def use_measured_threads(settings: Settings, models: Mapping[str, WindowModel[Any, Any]]) -> Threads | None:
    """Set torch to the threads that this machine remembers for the model, or that are measured now.

    For the first model that encodes on the CPU: the number is one for the whole process. None where `model.threads`
    says how many; and where all models are on GPUs, with one thread set: what little is left for the CPU would wake
    all cores, and each then spins for a while.
    """
    from workers.models.measured import machine_key
    from workers.models.precision import default_threads, use_threads

    if not settings.model.threads and all((m.info.device or "").startswith("cuda") for m in models.values()):
        use_threads(1)
    name = next((n for n, m in models.items() if isinstance(settings.spec(n), ENCODERS) and m.info.device == "cpu"), "")
    if not name or settings.model.threads or not settings.batch.calibrate:
        return None
    model, most = models[name], default_threads()
    use_threads(most)  # the machine's key holds it
    key = f"{machine_key()} {model.info.revision[:16]} {model.info.precision}"
    measure = partial(find_threads, model, most, use=use_threads, clock=time.perf_counter)
    found = Remembered(FOLDER / "threads.json", Threads).get_or_measure(key, measure)
    use_threads(found.threads)
    return found


@apart
def measured_budgets(settings: Settings, models: Mapping[str, WindowModel[Any, Any]]) -> dict[str, Budgets]:
    """How full batches should be, by lane: as this machine remembers for the model, else as measured now, in seconds.
    With the threads that are to run them, which are measured and set before.

    Only for models that encode and no more. Those that write are not made faster by it, and take minutes to measure.
    """
    from workers.models.measured import machine_key

    use_measured_threads(settings, models)
    batch = settings.batch
    remembered = Remembered(FOLDER / "batches.json", Budgets)
    found = {}
    for name, model in models.items():
        if batch.calibrate and isinstance(settings.spec(name), ENCODERS):
            info = model.info
            limit = limit_for(batch.max_items, batch.max_padded_tokens, device=info.device, calibrated=True)
            key = " ".join(map(str, (machine_key(), info.revision[:16], info.precision, info.device, limit)))
            measure = partial(find_budgets, model, limit, clock=time.perf_counter)
            found[name] = remembered.get_or_measure(key, measure)
            warm_up(model, limit, found[name])
    return found
