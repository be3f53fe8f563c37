"""The workers of `enrich worker` and `enrich run`: put together elsewhere, on Kafka and watched, or on a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from workers.batching.answers import BatcherStats
from workers.calibrations import followed_calibrations
from workers.compose import outgoing_of, worker_name
from workers.crew import Staff, open_staff
from workers.enrich.enricher import Enricher
from workers.enrich.receipts import PACKAGE_VERSION
from workers.enrich.worker import Worker
from workers.settings import Settings
from workers.telemetry.sources import Sources
from workers.transport.clients import open_transport, start_checks


@contextmanager
def kafka_worker(settings: Settings) -> Iterator[Worker]:
    """The worker of `enrich worker`, watched from before its models are loaded."""
    from workers.telemetry.opened import open_telemetry

    with open_telemetry(settings, worker=worker_name(settings), version=PACKAGE_VERSION) as telemetry:
        start_checks(settings.kafka).check_record_limit(settings.kafka, settings.output.max_record_bytes)
        telemetry.health.doing("loading the models")
        with followed_calibrations(settings) as calibrations, open_staff(settings, calibrations=calibrations) as staff:
            worker = Worker(
                open_transport(settings.kafka),
                staff.enricher,
                outgoing_of(settings),
                settings.epoch,
                recorder=telemetry.recorder,
                tracing=telemetry.tracing,
            )
            telemetry.loaded(sources_of(staff), tokens_per_s=staff.tokens_per_s)
            yield worker


@contextmanager
def file_worker(
    settings: Settings, file: str, out: str, dead: str | None, *, on_read: Callable[[int], None]
) -> Iterator[Worker]:
    """The worker of `enrich run`. `on_read` is told how many bytes were read."""
    from workers.transport.files import FileTransport

    transport = FileTransport(
        file,
        out,
        enriched_topic=settings.kafka.enriched_topic,
        dead_topic=settings.kafka.dead_topic,
        dead_target=dead,
        max_record_bytes=settings.limits.max_record_bytes,
        on_progress=on_read,
    )
    with open_staff(settings) as staff:
        yield Worker(transport, staff.enricher, outgoing_of(settings), settings.epoch)


def sources_of(staff: Staff) -> Sources:
    """What counts in whoever enriches, for whoever asks."""
    enricher = staff.enricher
    return Sources(
        batchers={model.lane: partial(_counts, enricher, model.lane) for model in staff.served},
        cache=lambda: enricher.state().cache,
        models=staff.served,
        memory=staff.memory,
        load_s=staff.load_s,
        version=PACKAGE_VERSION,
    )


def _counts(enricher: Enricher, lane: str) -> BatcherStats:
    return enricher.state().batchers.get(lane, BatcherStats())
