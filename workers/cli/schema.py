"""`enrich schema`: write or check the JSON Schemas and the AsyncAPI document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from schemas import generate
from workers.errors import ConfigurationError


def schema(
    out: Annotated[Path, typer.Option(help="folder to write to")] = Path("schemas/generated"),
    check: Annotated[bool, typer.Option("--check", help="write nothing; fail if the files differ")] = False,
) -> None:
    """Write the JSON Schemas of the records and the AsyncAPI document of the topics."""
    if not check:
        generate.write(out)
        typer.echo(f"written to {out}")
    elif drifted := generate.check(out):
        raise ConfigurationError(f"{', '.join(str(file) for file in drifted)} drifted: run `enrich schema --out {out}`")
