"""`enrich check`: would a worker with this configuration start, and can it reach what it needs?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

import typer

from workers.cli.options import with_settings
from workers.errors import ConfigurationError, DependencyError, EnrichError
from workers.models.base import WindowModel
from workers.settings import Settings

Step = tuple[str, Callable[[], str]]


@with_settings("kafka", "model", "models", "store", "cache", "output", "calibration")
def check(*, settings: Settings) -> None:
    """Try everything a worker needs and print a line for each. Exit code 2 or 3 if one of them fails."""
    worst = 0
    for name, look in steps(settings):
        try:
            typer.echo(f"ok    {name}: {look()}")
        except EnrichError as error:
            typer.echo(f"FAIL  {name}: {error}")
            worst = max(worst, 3 if isinstance(error, DependencyError) else 2)
    sys.exit(worst)


def steps(settings: Settings) -> Iterator[Step]:
    """What is looked at, in order. The configuration itself was checked before this is called."""
    yield "configuration", lambda: "valid"
    models = cache(partial(_load, settings))  # what cannot be loaded fails where it is needed first, and again
    yield "model", lambda: _model(models())
    yield "auto precision", lambda: _auto_precision(settings)
    yield "threads", lambda: _threads(settings, models())
    yield "batches", lambda: _batches(settings, models())
    yield "processes", lambda: _processes(settings)
    yield "kafka", lambda: _brokers(settings)
    yield "topics", lambda: _topics(settings)
    if settings.cache.kind == "redis":
        yield "redis", lambda: _redis(settings)


def _load(settings: Settings) -> Mapping[str, WindowModel[Any, Any]]:
    from workers.compose import load_models

    return load_models(settings)


def _model(models: Mapping[str, WindowModel[Any, Any]]) -> str:
    infos = [model.info for model in models.values()]
    told = [f"{info.name}, revision {info.revision[:12]}, {info.precision}" for info in infos]
    return f"{'; '.join(told)}; digests are right"


def _auto_precision(settings: Settings) -> str:
    """What `auto` is here, and why; also told to those who set another one."""
    from workers.models.precision import auto_precision, choose_device

    return auto_precision(choose_device(settings.model.device)).describe()


def _threads(settings: Settings, models: Mapping[str, WindowModel[Any, Any]]) -> str:
    from workers.budgets import use_measured_threads

    found = use_measured_threads(settings, models)
    return found.describe() if found else "as set, not measured"


def _batches(settings: Settings, models: Mapping[str, WindowModel[Any, Any]]) -> str:
    from workers.budgets import measured_budgets

    found = measured_budgets(settings, models)
    return "; ".join(f"{name}: {budgets.describe()}" for name, budgets in found.items()) or "as set, not measured"


def _processes(settings: Settings) -> str:
    from workers.crew import processes_wanted

    most, only_on_a_gpu = processes_wanted(settings)
    if most == 1:
        return "enriches in the worker's own process"
    if only_on_a_gpu:
        return f"up to {most} enrich, each with models of its own, as far as there is a GPU with memory for them"
    return f"{most} enrich, each with models of its own"


def _brokers(settings: Settings) -> str:
    from workers.transport.clients import start_checks

    start_checks(settings.kafka).missing_topics(settings.kafka, ())  # raises if no broker answers
    return f"answers at {settings.kafka.bootstrap_servers}"


def _topics(settings: Settings) -> str:
    from workers.transport.clients import start_checks

    checks = start_checks(settings.kafka)
    wanted = [settings.kafka.input_topic, settings.kafka.enriched_topic, settings.kafka.dead_topic]
    if settings.calibration.follow:
        wanted.append(settings.calibration.topic)
    missing = checks.missing_topics(settings.kafka, wanted)
    if missing:
        raise ConfigurationError(f"{', '.join(missing)} missing: create with `kafka-topics.sh --create --topic NAME`")
    checks.check_record_limit(settings.kafka, settings.output.max_record_bytes)
    return ", ".join(wanted)


def _redis(settings: Settings) -> str:
    from workers.cache.kinds import ping_redis

    ping_redis(settings.cache)
    return "answers"
