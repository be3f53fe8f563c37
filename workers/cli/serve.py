"""`enrich serve`: try out a text on the pipeline that workers run; what the insights page's box asks."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

import typer

from workers.cli.options import with_settings
from workers.errors import ConfigurationError
from workers.settings import ServeSettings, Settings

if TYPE_CHECKING:
    from workers.trial.tried import Refused, Tried

MODELS = ("limits", "window", "model", "models", "store", "batch", "stages", "output")


@with_settings("serve", *MODELS)
def serve(*, settings: Settings) -> None:
    """Answer POST /enrich {"text": ...} with the record and what its label rests on, until SIGTERM. No Kafka."""
    from workers.compose import load_models, open_pipeline
    from workers.telemetry.logs import configure_logging
    from workers.trial.tried import try_text

    configure_logging()
    settings = shown_and_forgotten(settings)
    with open_pipeline(settings, load_models(settings)) as pipeline:

        def attempt(text: str) -> Tried | Refused:
            return try_text(pipeline, text, most_parts=settings.serve.max_parts)

        answer_until_told(attempt, settings.serve)


def shown_and_forgotten(settings: Settings) -> Settings:
    """Whoever tries a text wants to see it, and nobody is to find its results in a cache."""
    output = settings.output.model_copy(update={"include_text": True})
    cache = settings.cache.model_copy(update={"kind": "none"})
    return settings.model_copy(update={"output": output, "cache": cache})


def answer_until_told(attempt: Callable[[str], Tried | Refused], settings: ServeSettings) -> None:
    from workers.trial.server import Trials, http_server

    try:
        server = http_server(Trials(attempt, settings), settings.host, settings.port)
    except OSError as error:
        told = (
            f"serve.host={settings.host} serve.port={settings.port} cannot be served: {error.strerror}: choose others"
        )
        raise ConfigurationError(told) from None

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    with server:
        typer.echo(f"serve: http://{settings.host}:{server.server_address[1]}/")  # the address is the output
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
