"""`enrich insights`: the Faust application and its page. Runs where Faust is, which is not where the models are."""

from __future__ import annotations

import logging
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.options import with_settings
from workers.errors import ConfigurationError, DependencyError
from workers.settings import KafkaSettings, Settings

if TYPE_CHECKING:
    import ssl

    from workers.insights.drift import Reference

NEEDED = "`pip install --group insights && pip install --no-deps .`, or `make page`"
KEPT = {"cleanup.policy": "compact"}


@with_settings("kafka", "insights", "calibration")
def insights(
    *,
    reference: Annotated[
        Path | None,
        typer.Option(help="drift is measured against this file, as /api/reference gave it, instead of a learned one"),
    ] = None,
    settings: Settings,
) -> None:
    """Count what is enriched, watch its quality, and serve the page that shows both, until SIGTERM."""
    from workers.telemetry.logs import configure_logging

    try:
        from workers.insights.application import changelog_topic, run
        from workers.insights.state import Insights
    except ModuleNotFoundError as error:
        told = f"{error.name} is not installed: in an environment of its own, {NEEDED}"
        raise ConfigurationError(told) from error
    configure_logging()
    logging.getLogger("mode.timers").setLevel(logging.ERROR)  # a timer that is late on a busy machine is no news
    pinned = read_reference(reference) if reference else None
    own, tls = settings.insights, tls_of(settings.kafka)
    require_free_port(own.host, own.port)
    prepare_topics(settings, changelog_topic(own.group_id))
    run(Insights(settings.kafka, own, settings.calibration, clock=time.time, pinned=pinned), tls=tls)


def prepare_topics(settings: Settings, changelog: str) -> None:
    """The workers' topics must be there; ours are made. Raises ConfigurationError or DependencyError."""
    from workers.transport.kafka_admin import create_topics, missing_topics

    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what it would say is in our one line
    kafka, own = settings.kafka, settings.insights
    if missing := missing_topics(kafka, (kafka.enriched_topic, kafka.dead_topic)):
        raise DependencyError(f"topic {' and '.join(missing)} does not exist: create it, or correct its name")
    create_topics(kafka, (own.corrections_topic, settings.calibration.topic, changelog), partitions=1, options=KEPT)
    create_topics(kafka, (own.alerts_topic,), partitions=1)


def require_free_port(host: str, port: int) -> None:
    """Told here in a line, and not by Faust in a hundred."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            probe.bind(address)
    except OSError as error:
        told = f"insights.host={host} insights.port={port} cannot be served: {error.strerror}: choose others"
        raise ConfigurationError(told) from None


def tls_of(kafka: KafkaSettings) -> ssl.SSLContext | None:
    from workers.transport.kafka_client import tls_context

    return tls_context(kafka) if kafka.security_protocol.endswith("SSL") else None


def read_reference(file: Path) -> Reference:
    """Raises ConfigurationError if it is not one."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(dict[str, dict[str, int]]).validate_json(file.read_bytes())
    except (OSError, ValidationError):
        raise ConfigurationError(
            f"--reference {file} does not hold mixes: save what /api/reference answers, and name that file"
        ) from None
