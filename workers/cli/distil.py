"""`enrich distil`: make a small model from a large one and texts without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def distil(
    config: Annotated[Path, typer.Argument(help="YAML file: name, teacher, corpus, and how the student learns")],
    *,
    data: Annotated[Path, typer.Option(help="folder that the corpus files' paths start from")] = Path(),
    out: Annotated[Path, typer.Option(help="folder for soft labels and the model; must not hold a model yet")],
) -> None:
    """Let the teacher of CONFIG label texts, train a student on how sure it was, and write it to OUT.

    A run that was stopped goes on where it was when it is started again.
    """
    from workers.lifecycle.distil import distil as run_distillation

    stored = run_distillation(config, data=data, out=out)
    for name, value in stored.scores.items():
        typer.echo(f"{name}: {value}")
