"""The only module that knows every concrete class: settings in, a running system out. Imported by the CLI alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from workers.batching.scheduler import Batcher
from workers.cache.base import ResultCache
from workers.cache.keys import KeyMaker, StageIdentity
from workers.enrich.answers import Answers
from workers.enrich.assemble import Assembler, code_version, receipts_of
from workers.enrich.outgoing import Outgoing
from workers.enrich.pipeline import Pipeline
from workers.enrich.reading import Reader
from workers.enrich.worker import Worker
from workers.errors import ConfigurationError
from workers.models.base import WindowModel
from workers.settings import CacheSettings, Settings
from workers.stages.fingerprint import fingerprint
from workers.transport.base import Transport

AnyModel = WindowModel[Any, Any]


def load_default_model(settings: Settings) -> AnyModel:
    """The model the settings name. Imports torch, which takes seconds: not at the top of this module."""
    from workers.models.shared import load_model

    model = load_model(settings.model, labels=settings.stages.classification.labels, stages=settings.stages.enabled())
    if settings.window.max_tokens > model.max_window_tokens:
        raise ConfigurationError(
            f"window.max_tokens={settings.window.max_tokens} exceeds the {model.max_window_tokens} of model "
            f"{model.info.name}: lower it"
        )
    return model


def open_cache(settings: CacheSettings) -> ResultCache:
    """The cache the settings name. None of them fails to open: a cache that is down is a cache that knows nothing."""
    if settings.kind == "redis":
        from workers.cache.redis import RedisCache

        return RedisCache(settings)
    if settings.kind == "memory":
        from workers.cache.memory import MemoryCache

        return MemoryCache(max_entries=settings.max_entries)
    from workers.cache.none import NullCache

    return NullCache()


@contextmanager
def open_pipeline(settings: Settings, model: AnyModel) -> Iterator[Pipeline]:
    """A pipeline over `model`, with its device thread and its cache; both are closed at the end."""
    stages = settings.stages.enabled()
    info = model.info
    identities = [
        StageIdentity(
            stage, fingerprint(stage, settings.stages), info.name, info.revision, info.precision, code_version(stage)
        )
        for stage in stages
    ]
    keys = KeyMaker(identities, secret=settings.cache.secret.get_secret_value())
    cache, batcher = open_cache(settings.cache), Batcher(model, settings.batch)
    try:
        yield Pipeline(
            limits=settings.limits,
            reader=Reader(model, info.languages, settings.window),
            answers=Answers(batcher, cache, keys, stages),
            assembler=Assembler(info, settings.stages, settings.output, receipts_of(info, settings.stages)),
        )
    finally:
        batcher.close()
        cache.close()


@contextmanager
def open_worker(settings: Settings, model: AnyModel, transport: Transport) -> Iterator[Worker]:
    """A worker over `transport`, not started."""
    outgoing = Outgoing(
        enriched_topic=settings.kafka.enriched_topic,
        dead_topic=settings.kafka.dead_topic,
        max_record_bytes=settings.output.max_record_bytes,
        max_payload_bytes=settings.limits.max_dead_letter_bytes,
        worker=settings.kafka.group_instance_id or f"{socket.gethostname()}-{os.getpid()}",
    )
    with open_pipeline(settings, model) as pipeline:
        yield Worker(transport, pipeline, outgoing, settings.epoch)


@contextmanager
def kafka_worker(settings: Settings) -> Iterator[Worker]:
    """The worker of `enrich worker`."""
    from workers.transport.kafka import KafkaTransport
    from workers.transport.kafka_admin import check_record_limit

    check_record_limit(settings.kafka, settings.output.max_record_bytes)
    with open_worker(settings, load_default_model(settings), KafkaTransport(settings.kafka)) as worker:
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
    with open_worker(settings, load_default_model(settings), transport) as worker:
        yield worker


def ping_redis(settings: CacheSettings) -> None:
    """Raises CacheDown if Redis does not answer."""
    from workers.cache.redis import ping

    ping(settings)
