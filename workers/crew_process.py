"""What one process of a crew runs: `python -m workers.crew_process DESCRIPTOR`, of a connection to who started it.

Uses the composition, as `workers.crew` does, which starts these.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection

from workers.batching.calibration import calibrated_speed
from workers.budgets import measured_budgets
from workers.compose import AnyModel, load_models, open_enricher
from workers.cores import usable_cores
from workers.enrich.crew_member import Member
from workers.enrich.crew_messages import Begin, Ready, Refused
from workers.errors import EnrichError
from workers.settings import Settings
from workers.telemetry.logs import configure_logging
from workers.telemetry.sources import ServedModel

_PR_SET_PDEATHSIG = 1  # of Linux's prctl.h


def main(connection: Connection) -> None:
    """Until it is told to leave, or whoever started it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the loop's process decides when to end
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    die_with_parent()
    configure_logging()
    begin: Begin = connection.recv()
    try:
        settings, processes = own_part(begin)
        models = load_models(settings)
        budgets = measured_budgets(settings, models)
    except EnrichError as error:
        connection.send(Refused(error))
        return
    from workers.models.device_memory import device_memory

    served = served_models(models)
    with open_enricher(settings, models, budgets, worker=begin.worker) as enricher:
        connection.send(Ready(served, calibrated_speed([budgets.get(lane) for lane in models]), processes))
        member = Member(connection, enricher, memory=lambda: device_memory(model.device for model in served))
        member.work(at_once=settings.epoch.max_in_flight)
    os._exit(0)  # an orderly end would wait for what is under way, some of which may never come back


def own_part(begin: Begin) -> tuple[Settings, int]:
    """The settings of one of the processes, and how many there are to be: cores and memory are divided among them."""
    from workers.models.device_memory import most_that_fit, smallest_gpu_bytes, take_share
    from workers.models.precision import choose_device

    settings, processes = begin.settings, begin.most
    on_gpu = choose_device(settings.model.device).type == "cuda"
    if begin.only_on_a_gpu:
        processes = most_that_fit(processes, smallest_gpu_bytes()) if on_gpu else 1
    if processes == 1:
        return settings, 1
    take_share(processes)
    threads = 1 if on_gpu else max(1, (settings.model.threads or usable_cores()) // processes)
    tokens = max(1, settings.epoch.max_in_flight_tokens // processes)
    model = settings.model.model_copy(update={"threads": threads})
    epoch = settings.epoch.model_copy(update={"max_in_flight_tokens": tokens})
    return settings.model_copy(update={"model": model, "epoch": epoch}), processes


def served_models(models: Mapping[str, AnyModel]) -> tuple[ServedModel, ...]:
    """By the names they have in the settings."""
    infos = {lane: model.info for lane, model in models.items()}
    return tuple(
        ServedModel(lane, info.name, info.revision, info.precision, info.device or "remote")
        for lane, info in infos.items()
    )


def die_with_parent() -> None:
    """Linux kills this process when the thread that started it ends; elsewhere the closed connection ends it."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
