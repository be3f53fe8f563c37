"""`enrich run`: enrich a file without any service."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from workers.cli.options import with_settings
from workers.enrich.progress import Progress as Done
from workers.settings import Settings


@with_settings("epoch", "limits", "window", "model", "models", "store", "batch", "cache", "stages", "output")
def run(
    file: Annotated[str, typer.Argument(help="JSON lines, or plain text in *.txt (a document a line); - for stdin")],
    *,
    out: Annotated[str, typer.Option("--out", "-o", help="file for the enriched records; - for stdout")] = "-",
    dead: Annotated[
        str | None, typer.Option(help="file for dead letters; beside --out if not given, or stderr")
    ] = None,
    settings: Settings,
) -> None:
    """Enrich FILE: one record a line, in order; what cannot be enriched becomes a dead letter with its reason."""
    from workers.serving import file_worker
    from workers.telemetry.logs import configure_logging

    configure_logging()
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    size = Path(file).stat().st_size if Path(file).is_file() else None
    with bar:
        task = bar.add_task("loading the model", total=size)

        def show_read(read_bytes: int) -> None:
            bar.update(task, completed=read_bytes)

        def show_done(done: Done) -> None:
            bar.update(task, description=f"{done.documents} documents, {done.dead} dead letters")

        with file_worker(settings, file, out, dead, on_read=show_read) as running:
            running.on_progress = show_done
            signal.signal(signal.SIGTERM, lambda number, frame: running.stop())
            done = running.run()
    typer.echo(f"{done.documents} documents in, {done.enriched} enriched, {done.dead} dead-lettered", err=True)
