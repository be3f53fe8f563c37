"""`enrich schema`: write or check the JSON Schemas and the AsyncAPI document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from schemas.generate import check as drifted_files
from schemas.generate import write
from workers.errors import ConfigurationError


def schema(
    out: Annotated[Path, typer.Option(help="folder to write to")] = Path("schemas/generated"),
    check: Annotated[bool, typer.Option("--check", help="write nothing; fail if the files differ")] = False,
) -> None:
    """Write the JSON Schemas of the records and the AsyncAPI document of the topics."""
    if not check:
        write(out)
        typer.echo(f"written to {out}")
    elif drifted := drifted_files(out):
        raise ConfigurationError(f"{', '.join(drifted)} drifted: run `enrich schema --out {out}`")
