"""What one worker does on one kind of machine, measured once: a small JSON file, shipped or of one's own."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import Field, NonNegativeFloat, PositiveFloat, ValidationError

from workers.errors import ConfigurationError
from workers.settings import FrozenSettings


class Profile(FrozenSettings):
    """One worker, all enabled stages, nothing cached."""

    name: str
    machine: str = Field(description="processor, cores, precision")
    command: str = Field(description="what wrote this file")
    tokens_per_s: PositiveFloat = Field(description="of documents, by the whole worker under a backlog")
    calibrated_tokens_per_s: PositiveFloat | None = Field(None, description="of the model's passes alone")
    epoch_s: NonNegativeFloat = Field(description="fixed seconds of an epoch, without the broker's transaction")


def shipped() -> Traversable:
    return files("workers.planning") / "profiles"


def profile_names() -> list[str]:
    """Of the shipped ones."""
    return sorted(file.name.removesuffix(".json") for file in shipped().iterdir() if file.name.endswith(".json"))


def load_profile(name: str) -> Profile:
    """A shipped one by its name, or a file. Raises ConfigurationError."""
    source: Traversable | Path = shipped() / f"{name}.json" if name in profile_names() else Path(name)
    try:
        return Profile.model_validate_json(source.read_bytes())
    except OSError:
        known = ", ".join(profile_names())
        raise ConfigurationError(f"--profile {name} is neither a file nor one of: {known}") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigurationError(f"--profile {name}: {where}: {first['msg']}") from None
