"""`enrich train`: make a model from labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file with training settings; those of the packaged model if not given")
    ] = None,
    *,
    data: Annotated[Path, typer.Option(help="folder with the data sets: ner/, relations/, summarization/ ...")],
    out: Annotated[Path, typer.Option(help="folder for the model; must not hold one yet")],
) -> None:
    """Train the shared encoder's heads on DATA and write weights, configuration and model card to OUT."""
    from workers.lifecycle.train import train as run_training

    run_training(config, data=data, out=out)
