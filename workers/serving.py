"""The worker of `enrich worker`: what compose.py puts together, on Kafka and watched. Imported by the CLI alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from workers.batching.calibration import calibrated_speed
from workers.budgets import measured_budgets
from workers.calibrations import followed_calibrations
from workers.compose import AnyModel, load_models, open_worker, worker_name
from workers.enrich.pipeline import Pipeline
from workers.enrich.receipts import PACKAGE_VERSION
from workers.enrich.worker import Worker
from workers.settings import Settings
from workers.telemetry.sources import ServedModel, Sources
from workers.transport.clients import open_transport, start_checks


@contextmanager
def kafka_worker(settings: Settings) -> Iterator[Worker]:
    """The worker of `enrich worker`, watched from before its models are loaded."""
    from workers.telemetry.opened import open_telemetry

    with open_telemetry(settings, worker=worker_name(settings), version=PACKAGE_VERSION) as telemetry:
        start_checks(settings.kafka).check_record_limit(settings.kafka, settings.output.max_record_bytes)
        telemetry.health.doing("loading the models")
        began_s = time.monotonic()
        models = load_models(settings)
        load_s = time.monotonic() - began_s
        budgets = measured_budgets(settings, models)
        transport = open_transport(settings.kafka)
        recorder, tracing = telemetry.recorder, telemetry.tracing
        with (
            followed_calibrations(settings) as calibrations,
            open_worker(
                settings,
                models,
                transport,
                budgets,
                recorder=recorder,
                tracing=tracing,
                calibrations=calibrations,
            ) as worker,
        ):
            sources = sources_of(worker.pipeline, models, load_s=load_s)
            telemetry.loaded(sources, tokens_per_s=calibrated_speed([budgets.get(lane) for lane in models]))
            yield worker


def sources_of(pipeline: Pipeline, models: Mapping[str, AnyModel], *, load_s: float) -> Sources:
    """What counts in a running pipeline, for whoever asks."""
    from workers.models.device_memory import device_memory

    served = [
        ServedModel(lane, m.info.name, m.info.revision, m.info.precision, m.info.device or "remote")
        for lane, m in models.items()
    ]
    return Sources(
        batchers={lane: answers.batcher.stats for lane, answers in pipeline.answers.items()},
        cache=next(iter(pipeline.answers.values())).cache.status,
        models=served,
        memory=lambda: device_memory(model.device for model in served),
        load_s=load_s,
        version=PACKAGE_VERSION,
    )
