"""`enrich sentinel`: send documents whose answers are known, so that insights can say how many are found."""

from __future__ import annotations

import logging
import time
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import orjson
import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas import Expectation
from schemas.document import MAX_ID_CHARACTERS
from schemas.sentinel import SENTINEL_HEADER
from workers.cli.options import with_settings
from workers.errors import ConfigurationError
from workers.settings import Settings
from workers.transport.base import OutgoingRecord


class Sentinel(BaseModel):
    """A line of the file: a document and what its enrichment must contain."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    text: str
    expect: Expectation


@with_settings("kafka")
def sentinel(
    file: Annotated[
        Path | None,
        typer.Argument(help='JSON lines: {"id", "text", "expect": {"label", "entities": [{"type", "text"}]}}'),
    ] = None,
    *,
    every_s: Annotated[float, typer.Option(min=0, help="send them again after so many seconds; 0: once")] = 0.0,
    settings: Settings,
) -> None:
    """Send documents with known answers to the input topic; without FILE a few packaged ones in plain English."""
    from workers.transport.kafka_admin import produce

    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what it would say is in our one line
    sentinels = read_sentinels(file)
    while True:
        sent = produce(settings.kafka, [record_of(known, settings.kafka.input_topic) for known in sentinels])
        answers = sum(known.expect.answers for known in sentinels)
        typer.echo(f"{sent} sentinels with {answers} known answers sent to {settings.kafka.input_topic}")
        if not every_s:
            return
        time.sleep(every_s)


def read_sentinels(file: Path | None) -> list[Sentinel]:
    """Raises ConfigurationError that names the line."""
    try:
        source = file.read_bytes() if file else (files("workers.cli") / "samples" / "sentinels.jsonl").read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    found = []
    for number, line in enumerate(source.splitlines(), start=1):
        try:
            known = Sentinel.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the line"
            raise ConfigurationError(f"{file}, line {number}: {where}: {first['msg']}") from None
        if not known.expect.answers or len(known.id) > MAX_ID_CHARACTERS - len("sentinel/"):
            raise ConfigurationError(f"{file}, line {number}: a sentinel has a short id and at least one known answer")
        found.append(known)
    return found


def record_of(known: Sentinel, topic: str) -> OutgoingRecord:
    """The answers travel in a header, which the worker passes on; the model never sees them."""
    identifier = f"sentinel/{known.id}"
    expected = known.expect.model_dump_json(exclude_defaults=True).encode()
    headers = (("content-type", b"application/json"), (SENTINEL_HEADER, expected))
    return OutgoingRecord(topic, identifier.encode(), orjson.dumps({"id": identifier, "text": known.text}), headers)
