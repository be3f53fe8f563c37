"""Where the values of `workers.settings` come from: a YAML file, the environment, the command line; later wins.

The only module that reads the environment. An option that nobody declared is an error wherever it stands: a typo that
is ignored is a default in disguise.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from workers.errors import ConfigurationError
from workers.settings import FrozenSettings, Settings

PREFIX = "ENRICH_"
FILE_VARIABLE = "ENRICH_CONFIG"

Tree = dict[str, Any]  # as YAML gives it, before validation; never leaves this module


@dataclass(frozen=True, slots=True)
class Option:
    """One leaf of the settings tree and its names in the three places."""

    path: tuple[str, ...]
    description: str
    default: str
    is_mapping: bool

    @property
    def variable(self) -> str:
        return PREFIX + "__".join(self.path).upper()

    @property
    def parameter(self) -> str:
        return "_".join(self.path)

    @property
    def flag(self) -> str:
        return "--" + self.parameter.replace("_", "-")


def options(tree: type[FrozenSettings] = Settings, path: tuple[str, ...] = ()) -> Iterator[Option]:
    """Every option, in the order of declaration."""
    for name, field in tree.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, FrozenSettings):
            yield from options(kind, (*path, name))
        else:
            yield Option((*path, name), field.description or "", _shown(field), get_origin(kind) is dict)


def load_settings(
    file: Path | None = None, environment: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> Settings:
    """The settings, or ConfigurationError with one line that names the option.

    `environment` is all of it: only names with the prefix are read. `flags` are by `Option.parameter`.
    """
    environment = environment or {}
    declared = {option.variable: option for option in options()}
    if file is None and FILE_VARIABLE in environment:
        file = Path(environment[FILE_VARIABLE])
    tree = _read_yaml(file) if file else {}
    for name, value in environment.items():
        if name.startswith(PREFIX) and name != FILE_VARIABLE:
            if name not in declared:
                raise ConfigurationError(f"environment variable {name} is no option{_nearest(name, declared)}")
            _set(tree, declared[name], value)
    by_parameter = {option.parameter: option for option in declared.values()}
    for parameter, value in (flags or {}).items():
        _set(tree, by_parameter[parameter], value)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise ConfigurationError(_one_line(error)) from None


def as_yaml(settings: Settings) -> str:
    """The settings as the YAML file that would give them; secrets are masked."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _read_yaml(file: Path) -> Tree:
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"configuration file {file} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"configuration file {file} is not YAML: {' '.join(str(error).split())}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigurationError(f"configuration file {file} must hold sections, for example `kafka:`")
    return tree


def _set(tree: Tree, option: Option, value: str) -> None:
    *sections, name = option.path
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigurationError(f"section {section} of the configuration file must hold options")
    if not option.is_mapping:
        tree[name] = value
        return
    try:
        tree[name] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigurationError(f"{option.flag} wants names and values as YAML or JSON") from None


def _shown(field: FieldInfo) -> str:
    default = field.get_default()
    if default is None:
        return "none"
    if isinstance(default, SecretStr):
        return "set" if default.get_secret_value() else "none"
    if isinstance(default, dict):
        return ", ".join(default) or "none"
    return str(default)


def _nearest(name: str, known: Mapping[str, Option]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else "; `enrich worker --help` lists them"


def _one_line(error: ValidationError) -> str:
    """The first problem; the input is not shown, it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    problem = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        names = [".".join(option.path) for option in options()]
        close = difflib.get_close_matches(where, names, n=1)
        problem = "is no option" + (f"; did you mean {close[0]}?" if close else "")
    if first["type"] == "union_tag_not_found":
        problem = "needs `kind`"
    return f"{where}: {problem}" if where and where not in problem else problem
