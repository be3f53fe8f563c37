"""Reads a recipe, whichever it is: a YAML file as a frozen value, or one line that says what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import Field, ValidationError

from workers.errors import ConfigurationError
from workers.settings import FrozenSettings

RecipeT = TypeVar("RecipeT", bound=FrozenSettings)


class NamedFile(FrozenSettings):
    """A file of JSON lines that a recipe names."""

    path: str = Field(description="file inside --data, or an absolute path")
    attribution: str = Field("", description="whose data it is and under which licence; goes into the model card")

    @property
    def name(self) -> str:
        return Path(self.path).name.removesuffix(".jsonl")


def recipe_in_card(recipe: FrozenSettings) -> list[str]:
    """How to make a model again, for its card: the command, and what the recipe says beside its defaults."""
    changed = yaml.safe_dump(recipe.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True)
    return [
        "## How to make it again",
        "",
        "`enrich train recipe.yaml --data DATA --out FOLDER`, with this recipe:",
        "",
        "```yaml",
        *changed.splitlines(),
        "```",
        "",
    ]


def task_of(config: Path) -> object:
    """What a recipe says that it is for. None where it says nothing or cannot be read: who reads it whole tells why."""
    try:
        values = read_yaml(config)
    except ConfigurationError:
        return None
    return values.get("task") if isinstance(values, dict) else None


def read_yaml(path: Path) -> object:
    """An empty file is an empty mapping. Raises ConfigurationError for one that cannot be read or is not YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigurationError(f"cannot read {path} ({error.strerror}): correct the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not YAML: correct it") from error


def read_recipe_file(path: Path, kind: type[RecipeT], *, see: str) -> RecipeT:
    """`see` is where a reader finds what a recipe may say. Raises ConfigurationError."""
    try:
        return kind.model_validate(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        told = f"{where}: {first['msg']}" if where else first["msg"]
        raise ConfigurationError(f"{path}: {told}: see {see} for what there is") from error
