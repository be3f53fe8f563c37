"""Turns the settings tree into command-line options, so that an option is declared once, in `workers.settings`."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from workers.configuration import FILE_VARIABLE, Option, load_settings, options

Command = Callable[..., None]


def with_settings(*sections: str) -> Callable[[Command], Command]:
    """Gives a command `--config` and an option per setting of `sections`, and calls it with `settings`.

    Options that are not given come from the environment, then the file, then the defaults. Sections that are not named
    are read from there too; they only have no flag.
    """
    declared = [option for option in options() if option.path[0] in sections]

    def decorate(command: Command) -> Command:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "settings"]
        config = inspect.Parameter(
            "config",
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                Path | None, typer.Option("--config", "-c", help=f"YAML file with settings (env: {FILE_VARIABLE})")
            ],
        )

        @wraps(command)
        def wrapped(**given: Any) -> None:
            file = given.pop("config")
            flags = {o.parameter: given.pop(o.parameter) for o in declared}
            said = {name: value for name, value in flags.items() if value is not None}
            command(settings=load_settings(file, os.environ, said), **given)

        parameters = [*own, config, *(_parameter(option) for option in declared)]
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapped

    return decorate


def _parameter(option: Option) -> inspect.Parameter:
    shown = f"{option.description} (default: {option.default}; env: {option.variable})"
    flag = typer.Option(option.flag, help=shown, rich_help_panel=f"Settings: {option.path[0]}", metavar="VALUE")
    return inspect.Parameter(
        option.parameter, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, flag]
    )
