"""A real pipeline and a real worker over the oracle model and the in-process log: everything but device and broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import orjson

from schemas import Calibration, StageName
from tests.fakes.models import OracleModel
from workers.compose import open_pipeline, open_worker
from workers.enrich.pipeline import Pipeline
from workers.enrich.worker import Worker
from workers.settings import DEFAULT_LABELS, DEFAULT_MODEL, Settings
from workers.transport.base import Headers, IncomingRecord, Partition, Transport
from workers.transport.memory import MemoryLog

TEMPERATURE = {StageName.CLASSIFICATION: {"temperature": 0.1}}
LABELS = {StageName.CLASSIFICATION: tuple(DEFAULT_LABELS)}


def oracle() -> OracleModel:
    """An oracle that knows what a real model knows of itself."""
    model = OracleModel()
    model.info = replace(model.info, thresholds=TEMPERATURE, labels=LABELS, languages=frozenset({"en"}))
    return model


def payload(text: str, *, name: str = "d", language: str | None = "en", **fields: object) -> bytes:
    return orjson.dumps({"id": name, "text": text, "language": language, **fields})


def incoming(
    value: bytes | None, *, offset: int = 0, key: bytes | None = b"k", headers: Headers = ()
) -> IncomingRecord:
    return IncomingRecord(Partition("documents", 0), offset, 1_700_000_000_000, key, value, headers)


@contextmanager
def oracle_pipeline(
    model: OracleModel | None = None,
    settings: Settings | None = None,
    calibrations: Callable[[], Sequence[Calibration]] = tuple,
) -> Iterator[Pipeline]:
    models = {DEFAULT_MODEL: model or oracle()}
    with open_pipeline(settings or Settings(), models, calibrations=calibrations) as pipeline:
        yield pipeline


@contextmanager
def oracle_worker(
    transport: Transport,
    model: OracleModel | None = None,
    settings: Settings | None = None,
    calibrations: Callable[[], Sequence[Calibration]] = tuple,
) -> Iterator[Worker]:
    models = {DEFAULT_MODEL: model or oracle()}
    with open_worker(settings or Settings(), models, transport, calibrations=calibrations) as worker:
        yield worker


def log_of(*values: bytes | None, partitions: int = 1) -> MemoryLog:
    """A log whose input topic holds these values, keyed by their number."""
    log = MemoryLog(partitions=partitions)
    for number, value in enumerate(values):
        log.append("documents", b"%d" % number, value)
    return log
