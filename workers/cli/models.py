"""`enrich models`: what there is to run, fetch more, and read every byte again. The work is `workers.models`'."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from workers.cli.options import with_settings
from workers.errors import ConfigurationError
from workers.settings import Settings

if TYPE_CHECKING:  # the commands import them: they bring fsspec
    from workers.models.listing import Row
    from workers.models.remote import Report

DAMAGED = 1  # exit code
ALIAS = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
SHOWN_SCORES = 4
HEADLINES = ("F1", "accuracy", "ROUGE-1")

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def models() -> None:
    """Look at the models that can be run, fetch others, check them."""


@app.command("list")
@with_settings("store")
def list_models(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table")] = False,
    settings: Settings,
) -> None:
    """List the packaged models and those that were pulled."""
    from workers.models.listing import describe, places

    rows = [describe(place) for place in places(settings.store)]
    if as_json:
        typer.echo(orjson.dumps([row.model_dump() for row in rows], option=orjson.OPT_INDENT_2))
    else:
        Console().print(table_of(rows))


@app.command("pull")
@with_settings("store")
def pull_model(
    name: Annotated[str, typer.Argument(metavar="NAME_OR_URL", help="OWNER/NAME on the hub, or the URL of a folder")],
    *,
    revision: Annotated[str | None, typer.Option(help="commit on the hub, 40 hex digits")] = None,
    sha256: Annotated[str | None, typer.Option(help="digest that the model must have, as `list` shows it")] = None,
    alias: Annotated[str | None, typer.Option("--name", help="a shorter name for it, to be used in settings")] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="take it from the hub's cache or a local URL only")
    ] = False,
    settings: Settings,
) -> None:
    """Fetch a model into the store, whole or not at all; a model of this project is opened before it is kept."""
    from workers.models.pull import Wanted, pull
    from workers.models.shelf import open_shelf
    from workers.models.store import packaged_models, use_store

    use_store(settings.store)
    if sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ConfigurationError("--sha256 must be 64 hex digits in lower case, as `enrich models list` shows them")
    if alias is not None and (not ALIAS.fullmatch(alias) or alias in packaged_models()):
        raise ConfigurationError(f"--name {alias} is taken or no name: use a-z, 0-9 and ._- for one of its own")
    wanted = Wanted(name=name, revision=revision, sha256=sha256, offline=offline or settings.store.offline)
    with progress(name) as report:
        pulled = pull(open_shelf(settings.store.folder), wanted, alias=alias, report=report, check=opens)
    typer.echo(f"{alias or pulled.reference}: {pulled.digest}")


@app.command("verify")
@with_settings("store")
def verify_models(
    name: Annotated[str | None, typer.Argument(help="a model as `list` names it; all if not given")] = None,
    *,
    settings: Settings,
) -> None:
    """Read every byte again. A line per model; exit code 1 and a line per problem if there is one."""
    from workers.models.listing import places, verify

    chosen = [place for place in places(settings.store) if name in {None, place.name, place.digest}]
    if not chosen:
        raise ConfigurationError(f"model {name} is not in the store: `enrich models list` shows those that are")
    damaged = False
    for place in chosen:
        problems = list(verify(place, settings.store))
        damaged = damaged or bool(problems)
        for line in problems or ["every file is right"]:
            typer.echo(f"{'FAIL' if problems else 'ok  '}  {place.name}: {line}")
    sys.exit(DAMAGED if damaged else 0)


def opens(folder: Path) -> None:
    """Raises ConfigurationError for a model of ours whose heads, labels or trunk do not fit."""
    from workers.models.config import CONFIG_FILE
    from workers.models.manifest import own_heads_sha256

    if own_heads_sha256((folder / CONFIG_FILE).read_bytes(), CONFIG_FILE) is not None:
        from workers.models.folder import open_model
        from workers.settings import ModelSettings

        open_model(ModelSettings(name=str(folder)))


@contextmanager
def progress(name: str) -> Iterator[Report]:
    """A bar of bytes on stderr; silent where nobody watches."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda came, total: bar.update(task, completed=came, total=total or None)


def table_of(rows: list[Row]) -> Table:
    table = Table("name", "digest", "source", "size", "runs as", "gate", "scores", box=None, pad_edge=False)
    for row in rows:
        scores = [
            f"{name} {value:.1f}" for name, value in row.scores.items() if any(word in name for word in HEADLINES)
        ]
        told = (
            row.name,
            row.digest[:12],
            row.source,
            f"{row.size_bytes / 1e6:.1f} MB",
            f"{row.kind}{f' {row.precision}' if row.precision else ''}{', a variant' if row.variant_of else ''}",
            row.gate or "",
            row.problem or "\n".join(scores[:SHOWN_SCORES]),
        )
        table.add_row(*map(Text, told))  # as text: a name cannot style anything
    return table
