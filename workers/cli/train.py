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
    """Train a model on DATA as CONFIG says and write weights, configuration, loss curve and model card to OUT.

    With `task: classification` in CONFIG: labels for whole texts; with `task: summary`: which sentences to quote; else
    entities and relations. A run that was stopped goes on where it was when it is started again.
    """
    from workers.lifecycle.recipe_file import task_of

    task = None if config is None else task_of(config)
    if config is not None and task == "classification":
        from workers.lifecycle.classifier_train import train_classifier

        train_classifier(config, data=data, out=out)
    elif config is not None and task == "summary":
        from workers.lifecycle.summary_train import train_summaries

        train_summaries(config, data=data, out=out)
    else:
        from workers.lifecycle.train import train as run_training

        run_training(config, data=data, out=out)
