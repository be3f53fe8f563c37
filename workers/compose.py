"""The only module that knows every concrete class: settings in, a running system out. Imported by the CLI alone."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any, assert_never

from schemas.base import StageName
from workers.apart import apart
from workers.batching.calibration import Budgets
from workers.batching.device import Device
from workers.batching.scheduler import Batcher
from workers.cache.keys import KeyMaker, StageIdentity
from workers.cache.kinds import open_cache
from workers.calibrations import Calibrations
from workers.enrich.answers import Answers
from workers.enrich.assemble import Assembler
from workers.enrich.condense import Condenser
from workers.enrich.enricher import LocalEnricher
from workers.enrich.lanes import Lane, by_stage
from workers.enrich.outgoing import Outgoing
from workers.enrich.permits import Permits
from workers.enrich.pipeline import Pipeline
from workers.enrich.reading import Cutter, Reader
from workers.enrich.receipts import code_version, receipts_of
from workers.enrich.worker import Worker
from workers.errors import ConfigurationError, extra_needed
from workers.memory import bound_memory, giving_back, spare_the_collector
from workers.models.base import WindowModel
from workers.settings import (
    DEFAULT_MODEL,
    CausalLanguageModel,
    ModelSettings,
    ModelSpec,
    NamedModel,
    OpenAiModel,
    SequenceClassificationModel,
    SequenceToSequenceModel,
    Settings,
    TokenClassificationModel,
    WindowSettings,
    ZeroShotModel,
)
from workers.stages.fingerprint import fingerprint
from workers.telemetry.watch import Watch
from workers.transport.base import Transport

AnyModel = WindowModel[Any, Any]
# A pass is some hundred calls of torch, and after each the device thread waits so long for the interpreter's lock if
# another thread holds it. With Python's own 5 ms a pass beside a busy thread took half as long again as with 1 ms.
SWITCH_S = 0.001


def load_models(settings: Settings) -> dict[str, AnyModel]:
    """Every model that an enabled stage names, by the name it has in the settings. Imports torch, which takes seconds.

    Raises ConfigurationError, one line that names the model, for what cannot work.
    """
    bound_memory()
    models = _load_models(settings)
    spare_the_collector()
    return models


@apart
def _load_models(settings: Settings) -> dict[str, AnyModel]:
    from workers.models.attention import use_kernels_for_any_shape
    from workers.models.precision import use_threads
    from workers.models.store import use_store

    use_threads(settings.model.threads)
    use_kernels_for_any_shape()
    use_store(settings.store)
    models = {}
    for name, stages in settings.lanes().items():
        try:
            models[name] = load_model(settings.spec(name), settings, stages)
        except ConfigurationError as error:
            raise error if name == DEFAULT_MODEL else ConfigurationError(f"models.{name}: {error}") from error
    for name, model in models.items():
        window_for(name, model, settings)
    return models


def load_model(spec: ModelSettings | ModelSpec, settings: Settings, stages: Sequence[StageName]) -> AnyModel:
    """The model of a kind. A new kind is a case here and a class in `workers.settings.model`."""
    labels, most = settings.stages.classification.labels, settings.stages.summary.max_sentences
    match spec:
        case ModelSettings():
            from workers.models.shared import load_model as load_shared

            return load_shared(spec, labels=labels, stages=stages)
        case TokenClassificationModel():
            from workers.models.adapters.token_classification import load_token_classifier

            return load_token_classifier(spec)
        case SequenceClassificationModel():
            from workers.models.adapters.sequence_classification import load_sequence_classifier

            return load_sequence_classifier(spec)
        case ZeroShotModel():
            from workers.models.adapters.zero_shot import load_zero_shot

            return load_zero_shot(spec, labels=labels)
        case CausalLanguageModel():
            from workers.models.adapters.causal import load_causal

            return load_causal(spec, stages=stages, labels=labels, max_sentences=most)
        case OpenAiModel():
            with extra_needed("openai"):
                from workers.models.adapters.openai import load_openai

            return load_openai(spec, stages=stages, labels=labels, max_sentences=most)
        case SequenceToSequenceModel():
            from workers.models.adapters.seq2seq import load_seq2seq

            return load_seq2seq(spec)
    assert_never(spec)


def window_for(name: str, model: AnyModel, settings: Settings) -> WindowSettings:
    """How texts are cut for a model: as asked for it by name, which must fit; else no longer than it reads."""
    spec = settings.spec(name)
    own = spec.window if isinstance(spec, NamedModel) else None
    window, most = own or settings.window, model.max_window_tokens
    if own is None and isinstance(spec, SequenceToSequenceModel):
        return WindowSettings(max_tokens=min(most, 8_192), overlap_tokens=0)  # what is read twice is told twice
    if window.max_tokens <= most:
        return window
    if own is None and name != DEFAULT_MODEL:
        return WindowSettings(max_tokens=most, overlap_tokens=min(window.overlap_tokens, most // 4))
    option = "window.max_tokens" if own is None else f"models.{name}.window.max_tokens"
    raise ConfigurationError(f"{option}={window.max_tokens} exceeds the {most} of model {model.info.name}: lower it")


@contextmanager
def open_pipeline(
    settings: Settings,
    models: Mapping[str, AnyModel],
    budgets: Mapping[str, Budgets] = MappingProxyType({}),
    *,
    calibrations: Calibrations = tuple,
) -> Iterator[Pipeline]:
    """A pipeline over `models`, by lane, with their device threads and the cache; all are closed at the end."""
    lanes = [Lane(name, models[name].info, stages) for name, stages in settings.lanes().items()]
    sys.setswitchinterval(SWITCH_S)
    with ExitStack() as stack:
        stack.enter_context(giving_back())
        cache = open_cache(settings.cache)
        stack.callback(cache.close)
        devices: dict[str, Device] = {}
        watch = Watch(settings.batch.stuck_after_s)
        answers = {}
        for lane in lanes:
            place = lane.info.device or f"elsewhere, for {lane.name}"
            if place not in devices:
                devices[place] = Device()
                stack.callback(devices[place].close)
            own = budgets[lane.name].padded_tokens if lane.name in budgets else None
            batcher = Batcher(models[lane.name], settings.batch, device=devices[place], budgets=own, watch=watch)
            stack.callback(batcher.close)
            answers[lane.name] = Answers(batcher, cache, keys_of(lane, settings), lane.stages)
        cutters = {lane.name: cutter_of(lane, models[lane.name], settings) for lane in lanes}
        most = settings.stages.summary.max_characters
        yield Pipeline(
            limits=settings.limits,
            reader=Reader(cutters),
            answers=answers,
            assembler=Assembler(by_stage(lanes), settings.stages, settings.output, receipts_of(lanes, settings.stages)),
            condensers={
                lane.name: Condenser(models[lane.name], answers[lane.name], cutters[lane.name].window.max_tokens, most)
                for lane in lanes
                if lane.stages == (StageName.SUMMARY,)
            },
            watch=watch,
            permits=Permits(settings.epoch.max_in_flight_tokens),
            calibrations=calibrations,
        )


def cutter_of(lane: Lane, model: AnyModel, settings: Settings) -> Cutter:
    return Cutter(model, lane.info.languages, window_for(lane.name, model, settings))


def keys_of(lane: Lane, settings: Settings) -> KeyMaker:
    """Names of results that tell apart whatever can change them."""
    info = lane.info
    identities = [
        StageIdentity(
            stage, fingerprint(stage, settings.stages), info.name, info.revision, info.precision, code_version(stage)
        )
        for stage in lane.stages
    ]
    return KeyMaker(identities, secret=settings.cache.secret.get_secret_value())


@contextmanager
def open_enricher(
    settings: Settings,
    models: Mapping[str, AnyModel],
    budgets: Mapping[str, Budgets] = MappingProxyType({}),
    *,
    calibrations: Calibrations = tuple,
    worker: str | None = None,
) -> Iterator[LocalEnricher]:
    """A pipeline, and what writes down its outcomes, in the name of `worker` if that is not this process."""
    with open_pipeline(settings, models, budgets, calibrations=calibrations) as pipeline:
        yield LocalEnricher(pipeline, outgoing_of(settings, worker=worker))


def outgoing_of(settings: Settings, *, worker: str | None = None) -> Outgoing:
    return Outgoing(
        enriched_topic=settings.kafka.enriched_topic,
        dead_topic=settings.kafka.dead_topic,
        max_record_bytes=settings.output.max_record_bytes,
        max_payload_bytes=settings.limits.max_dead_letter_bytes,
        worker=worker or worker_name(settings),
    )


@contextmanager
def open_worker(
    settings: Settings,
    models: Mapping[str, AnyModel],
    transport: Transport,
    budgets: Mapping[str, Budgets] = MappingProxyType({}),
    *,
    calibrations: Calibrations = tuple,
) -> Iterator[Worker]:
    """A worker over `transport`, not started. `budgets` by lane: see `measured_budgets`; else batches are as set."""
    with open_enricher(settings, models, budgets, calibrations=calibrations) as enricher:
        yield Worker(transport, enricher, enricher.outgoing, settings.epoch)


def worker_name(settings: Settings) -> str:
    return settings.kafka.group_instance_id or f"{socket.gethostname()}-{os.getpid()}"
