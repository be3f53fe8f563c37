"""Measures what one worker does here, on texts of a wanted length: the worker itself, over a log in this process."""

from __future__ import annotations

import math
import os
import platform
import random
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from itertools import islice
from pathlib import Path

import orjson

from workers.batching.calibration import calibrated_speed
from workers.budgets import measured_budgets
from workers.compose import AnyModel, open_worker
from workers.planning.profile import Profile
from workers.planning.queueing import Lengths
from workers.settings import Settings
from workers.telemetry.recorder import CommittedEpoch, NullRecorder
from workers.transport.memory import MemoryLog, MemoryTransport

BUSY_S = 12.0
GUESSED_TOKENS_PER_S = 3_000.0  # of a model that cannot be calibrated
WORDS_PER_TOKEN = 0.75
SHORT, ALONE = 8, 15  # tokens of a document, and how many: each an epoch of its own, with nothing beside it
SEED = 7


class _Epochs(NullRecorder):
    """Remembers epochs."""

    def __init__(self) -> None:
        self.seen: list[CommittedEpoch] = []

    def committed(self, epoch: CommittedEpoch) -> None:
        self.seen.append(epoch)


def measure_profile(
    settings: Settings,
    models: Mapping[str, AnyModel],
    lengths: Lengths,
    *,
    name: str,
    command: str,
    busy_s: float = BUSY_S,
) -> Profile:
    """`busy_s` is about how long it is kept under a backlog; with what comes before and after twice that."""
    quiet = settings.model_copy(update={"cache": settings.cache.model_copy(update={"kind": "none"})})
    budgets = measured_budgets(quiet, models)
    calibrated = calibrated_speed([budgets.get(lane) for lane in models])
    texts = texts_of(lengths)

    def run(values: Iterable[bytes], **epoch: int) -> tuple[float, list[CommittedEpoch]]:
        """Seconds, and the epochs."""
        log, epochs = MemoryLog(partitions=1), _Epochs()
        for value in values:
            log.append(quiet.kafka.input_topic, None, value)
        own = quiet.model_copy(update={"epoch": quiet.epoch.model_copy(update=epoch)})
        with open_worker(own, models, MemoryTransport(log), budgets) as worker:
            worker.recorder = epochs
            began_s = time.perf_counter()
            worker.run()
            return time.perf_counter() - began_s, epochs.seen

    count = max(32, int(busy_s * (calibrated or GUESSED_TOKENS_PER_S) / lengths.mean))
    run(islice(texts, 8))  # warms up
    seconds, epochs = run(islice(texts, count))
    _, alone = run(islice(texts_of(Lengths(SHORT, SHORT)), ALONE), max_records=1, max_in_flight=1)
    return Profile(
        name=name,
        machine=machine_of(sorted({model.info.precision for model in models.values()})),
        command=command,
        tokens_per_s=round(sum(epoch.tokens for epoch in epochs) / seconds, 1),
        calibrated_tokens_per_s=None if calibrated is None else round(calibrated, 1),
        epoch_s=round(statistics.median(epoch.epoch_s for epoch in alone), 4),
    )


def texts_of(lengths: Lengths) -> Iterator[bytes]:
    """Records without end, of these lengths, cut at random out of the packaged documents: no two windows are equal."""
    lines = (files("workers.cli") / "samples" / "documents.jsonl").read_bytes().splitlines()
    words = " ".join(orjson.loads(line)["text"] for line in lines).split()
    chance = random.Random(SEED)  # noqa: S311  texts, not secrets
    number = 0
    while True:
        wanted = max(1, round(chance.lognormvariate(math.log(lengths.p50), lengths.sigma) * WORDS_PER_TOKEN))
        at = chance.randrange(len(words))
        picked = (words[at:] + words * (1 + wanted // len(words)))[:wanted]
        yield orjson.dumps({"id": str(number), "text": " ".join([f"{number}.", *picked]), "language": "en"})
        number += 1


def machine_of(precisions: list[str]) -> str:
    """What it is, not whose."""
    try:
        rows = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        rows = []
    names = (row.partition(":")[2].strip() for row in rows if row.startswith("model name"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{next(names, platform.machine())}, {cores} cores, {', '.join(precisions)}"
