"""The options that benchmarks share, and the command line that repeats a run."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterable
from pathlib import Path

from workers.configuration import load_settings
from workers.settings import Settings

RESULTS = Path("docs/benchmarks")


def make_parser(doc: str | None, *, documents: int, turns: int | None) -> argparse.ArgumentParser:
    """For a module with this docstring."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=inspect.cleandoc(doc or ""), formatter_class=formatter)
    parser.add_argument(
        "data",
        type=Path,
        nargs="?",
        help="JSON lines with id and text, or a folder of such files; ../shared/data/corpus if there is one, else the "
        "packaged samples",
    )
    parser.add_argument("--documents", type=int, default=documents, help="how many (%(default)s)")
    if turns is not None:
        parser.add_argument("--turns", type=int, default=turns, help="measured runs of each kind (%(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for plot and figures (%(default)s)")
    parser.add_argument("--config", type=Path, help="YAML file with settings of the worker")
    return parser


def settings_of(arguments: argparse.Namespace) -> Settings:
    """As in the file, if one is named, but without a cache, which would not be measured, and without metrics."""
    settings = load_settings(arguments.config)
    quiet = settings.telemetry.model_copy(update={"port": 0})  # several workers would want the same
    cache = settings.cache.model_copy(update={"kind": "none"})
    return settings.model_copy(update={"cache": cache, "telemetry": quiet})


def command_of(name: str, parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> str:
    """The command with what differs from the defaults. Of paths only the last part: the rest is this machine's."""
    words = ["python", "-m", f"benchmarks.{name}"]
    for action in parser._actions:
        value = getattr(arguments, action.dest, None)
        if value is None or value == action.default or action.dest == "out":
            continue
        words += [*action.option_strings[-1:], *_as_words(value)]
    return " ".join(words)


def _as_words(value: object) -> Iterable[str]:
    if isinstance(value, bool):
        return ()
    if isinstance(value, Path):
        return (value.name,)
    return map(str, value) if isinstance(value, list | tuple) else (str(value),)
