"""`enrich optimize`: a cheaper variant of a model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """Number formats that a variant can be made for."""

    INT8 = "int8"


def optimize(
    model: Annotated[str, typer.Argument(help="packaged model by name, or a folder")],
    *,
    out: Annotated[Path, typer.Option(help="folder for the variant; must not hold a model yet")],
    precision: Annotated[
        Format | None, typer.Option(help="int8: linear layers in 8 bits; for CPUs, about twice as fast as fp32")
    ] = None,
    plain_layers: Annotated[
        int | None, typer.Option(min=1, help="upper layers to keep for labels and summaries; fewer are faster")
    ] = None,
    tuned_layers: Annotated[
        int | None, typer.Option(min=1, help="upper layers to keep for entities and relations; fewer are faster")
    ] = None,
    trunk: Annotated[
        Path | None, typer.Option(help="folder of the trunk's files; found by digest if not given")
    ] = None,
) -> None:
    """Write a variant of MODEL to OUT. It is served only after `enrich evaluate OUT DATA --gate MODEL` let it pass."""
    from workers.lifecycle.optimize import Changes
    from workers.lifecycle.optimize import optimize as make_variant
    from workers.settings import ModelSettings

    changes = Changes(int8=precision is not None, plain_layers=plain_layers, tuned_layers=tuned_layers)
    config = make_variant(ModelSettings(name=model, trunk=trunk), changes, out=out)
    typer.echo(f"{out}: {config.name}, not measured yet: `enrich evaluate {out} DATA --gate {model}`")
